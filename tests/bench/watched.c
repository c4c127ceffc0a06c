/* watched KIND N: what `reel watch` might slow down. */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile unsigned sink;

static void on_signal(int signo) {
    sink += (unsigned)signo;
}

static void *nothing(void *argument) {
    return argument;
}

static void one(const char *kind) {
    pthread_t thread;
    if (!strcmp(kind, "compute"))
        for (int i = 0; i < 1000; i++)
            sink = sink * 3 + 1;
    else if (!strcmp(kind, "calls"))
        syscall(SYS_getppid);
    else if (!strcmp(kind, "signals"))
        raise(SIGUSR1);
    else if (!strcmp(kind, "threads") && !pthread_create(&thread, NULL, nothing, NULL))
        pthread_join(thread, NULL);
    else if (!strcmp(kind, "processes")) {
        pid_t pid = fork();
        if (!pid)
            _exit(0);
        waitpid(pid, NULL, 0);
    }
}

int main(int argc, char **argv) {
    long count = argc == 3 ? atol(argv[2]) : 0;
    signal(SIGUSR1, on_signal);
    for (long i = 0; i < count; i++)
        one(argv[1]);
    return count ? 0 : 2;
}
