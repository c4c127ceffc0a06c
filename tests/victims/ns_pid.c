/* PID namespaces: processes have other numbers inside than outside. Init is spared signals; faults kill it.
 */
/* expect: exit 0 */
#include "victim.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>

static void *name_it(void *argument) {
    cpu_set_t set;
    CHECK(sched_getaffinity(0, sizeof(set), &set) == 0);
    CHECK(sched_setaffinity(gettid(), sizeof(set), &set) == 0);
    printf("thread %d of %d\n", gettid(), getpid());
    return argument;
}

static void inside(void) {
    int status, pid;
    pthread_t thread;
    struct rlimit limit;
    CHECK(getpid() == 1);
    kill(1, SIGTERM); /* spared */
    raise(SIGUSR1);
    CHECK(pthread_create(&thread, NULL, name_it, NULL) == 0 && pthread_join(thread, NULL) == 0);
    if ((pid = fork()) == 0) {
        CHECK(getppid() == 1 && prlimit(getpid(), RLIMIT_STACK, NULL, &limit) == 0);
        kill(getpid(), SIGTERM);
        _exit(99);
    }
    CHECK(pid > 1 && pid < 100);
    CHECK(waitpid(pid, &status, 0) == pid && WTERMSIG(status) == SIGTERM);
    printf("child %d: 0x%x\n", pid, status);
    if ((pid = fork()) == 0) {
        if (fork() == 0) { /* re-parented to init */
            while (getppid() != 1)
                usleep(2000);
            _exit(7);
        }
        _exit(6);
    }
    CHECK(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 6);
    CHECK(wait(&status) > 1 && WEXITSTATUS(status) == 7);
    char from = 'x', to = 'y';
    struct iovec local = {&from, 1}, remote = {&to, 1};
    if ((pid = fork()) == 0) {
        pause();
        _exit(98);
    }
    SHOW(process_vm_readv(pid, &local, 1, &remote, 1, 0));
    kill(pid, SIGKILL);
    CHECK(waitpid(pid, &status, 0) == pid && WTERMSIG(status) == SIGKILL);
}

int main(void) {
    int status, pid;
    if (unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0) {
        printf("no namespaces here: errno %d\n", errno);
        return 0;
    }
    fflush(stdout);
    if ((pid = fork()) == 0) {
        inside();
        exit(12);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 12 << 8);
    return 0;
}
