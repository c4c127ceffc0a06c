/* Processes that share memory end in all ways, before and after their parent, and the others go on. */
/* expect: exit 5 */
#include "victim.h"
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static volatile long *shared;

static pid_t make(void (*run)(int number), int number) {
    fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        run(number);
        _exit(number);
    }
    return child;
}

static void just_exit(int number) {
    shared[number]++;
}

static void crash(int number) {
    shared[number]++;
    *(volatile int *)bad_address() = 1;
}

static void loop(int number) {
    for (;;)
        shared[number]++;
}

static void wait_for_signal(int number) {
    shared[number]++;
    for (;;)
        pause();
}

/* Outlives the one that has made it, and is taken over by the first process. */
static void outlive(int number) {
    shared[number]++;
    pid_t child = make(wait_for_signal, number + 1);
    while (!shared[number + 1])
        usleep(500);
    shared[number + 2] = child;
}

int main(void) {
    int status;
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    CHECK(setpgid(0, 0) == 0);
    pid_t child = make(just_exit, 1);
    CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 1 && shared[1] == 1);
    child = make(crash, 2);
    CHECK(waitpid(child, &status, 0) == child && WTERMSIG(status) == SIGSEGV && shared[2] == 1);
    child = make(loop, 3);
    while (shared[3] < 1000)
        usleep(100);
    CHECK(kill(child, SIGKILL) == 0);
    CHECK(waitpid(child, &status, 0) == child && WTERMSIG(status) == SIGKILL);
    printf("looped %ld times\n", shared[3]);
    child = make(loop, 4);
    while (shared[4] < 1000)
        usleep(100);
    CHECK(kill(child, SIGTERM) == 0);
    CHECK(waitpid(child, &status, 0) == child && WTERMSIG(status) == SIGTERM);
    printf("looped %ld times\n", shared[4]);
    child = make(wait_for_signal, 5);
    while (!shared[5])
        usleep(100);
    CHECK(kill(child, SIGKILL) == 0);
    CHECK(waitpid(child, &status, 0) == child && WTERMSIG(status) == SIGKILL);
    child = make(outlive, 6);
    CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 6);
    CHECK(kill((pid_t)shared[8], SIGKILL) == 0);
    CHECK(waitpid((pid_t)shared[8], &status, 0) == shared[8] && WTERMSIG(status) == SIGKILL);
    make(wait_for_signal, 9); /* ends when its parent has, or before */
    while (!shared[9])
        usleep(100);
    signal(SIGTERM, SIG_IGN);
    CHECK(kill(0, SIGTERM) == 0);
    return 5;
}
