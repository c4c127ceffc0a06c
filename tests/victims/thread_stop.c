/* SIGSTOP and SIGCONT from outside while threads wait, and while one makes calls. */
/* expect: exit 0 */
#include "victim.h"
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

static volatile int stop;
static int pipefd[2];
static volatile sig_atomic_t continued;

static void handler(int signo) {
    continued += signo == SIGCONT;
}
static void *run(void *argument) {
    long *calls = argument;
    while (!stop) {
        getppid();
        ++*calls;
    }
    return NULL;
}
static void *wait_in_read(void *argument) {
    char byte;
    ssize_t got;
    while ((got = read(pipefd[0], &byte, 1)) < 0)
        CHECK(errno == EINTR);
    return argument;
}

int main(void) {
    pthread_t threads[3];
    long calls = 0;
    int status;
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigaction(SIGCONT, &action, NULL);
    CHECK(pipe(pipefd) == 0);
    CHECK(pthread_create(&threads[0], NULL, run, &calls) == 0);
    for (int i = 1; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, wait_in_read, NULL) == 0);
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 5; i++) {
            usleep(3000);
            kill(getppid(), SIGSTOP);
            usleep(3000);
            kill(getppid(), SIGCONT);
        }
        _exit(9);
    }
    while (waitpid(child, &status, 0) < 0)
        CHECK(errno == EINTR);
    stop = 1;
    CHECK(write(pipefd[1], "xx", 2) == 2);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    printf("child %x, calls %ld, continued %d\n", status, calls, continued);
    return 0;
}
