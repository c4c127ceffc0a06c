/* A pipeline that is stopped and continued as a group, while data flows; one of it has threads. */
/* expect: exit 0 */
#include "victim.h"
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

static long total;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void *add(void *argument) {
    char byte;
    while (read(0, &byte, 1) == 1) {
        pthread_mutex_lock(&mutex);
        total += byte;
        pthread_mutex_unlock(&mutex);
    }
    return argument;
}

static volatile sig_atomic_t enough;

static void stop(int signo) {
    enough = signo;
}

static void produce(void) {
    int i = 0;
    do {
        CHECK(write(1, "x", 1) == 1);
        if (i++ % 20 == 0)
            usleep(500);
    } while (!enough);
    exit(0);
}

static void consume(int result) {
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, add, NULL) == 0);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(write(result, &total, sizeof(total)) == sizeof(total));
    exit(0);
}

int main(void) {
    int data[2], result[2], status;
    pid_t job[2];
    signal(SIGUSR1, stop);
    CHECK(pipe(data) == 0 && pipe(result) == 0);
    for (int i = 0; i < 2; i++) {
        job[i] = fork();
        CHECK(job[i] >= 0);
        if (job[i] == 0) {
            setpgid(0, i ? job[0] : 0);
            CHECK(dup2(data[!i], !i) >= 0);
            close(data[0]);
            close(data[1]);
            i ? consume(result[1]) : produce();
        }
        setpgid(job[i], job[0]);
    }
    close(data[0]);
    close(data[1]);
    for (int round = 0; round < 5; round++) {
        usleep(1000);
        CHECK(killpg(job[0], SIGTSTP) == 0);
        for (int i = 0; i < 2; i++) {
            CHECK(waitpid(job[i], &status, WUNTRACED) == job[i]);
            CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTSTP);
        }
        CHECK(killpg(job[0], SIGCONT) == 0);
        for (int i = 0; i < 2; i++)
            CHECK(waitpid(job[i], &status, WCONTINUED) == job[i] && WIFCONTINUED(status));
    }
    CHECK(kill(job[0], SIGUSR1) == 0);
    for (int i = 0; i < 2; i++)
        CHECK(waitpid(job[i], &status, 0) == job[i] && status == 0);
    CHECK(read(result[0], &total, sizeof(total)) == sizeof(total));
    printf("total %ld\n", total);
    CHECK(total > 0 && total % 'x' == 0);
    return 0;
}
