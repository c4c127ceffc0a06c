/* Makes processes in the way that argv[1] says: fork, vfork, spawn, exec. */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

__attribute__((noinline)) int child_work(int number) {
    volatile int twice = 2 * number;
    return twice;
}

static int wait_for_all(void) {
    int status, sum = 0;
    while (wait(&status) > 0 || errno == EINTR)
        sum += WIFEXITED(status) ? WEXITSTATUS(status) : 1000;
    return sum;
}

static void by_fork(void) {
    for (int i = 0; i < 10; i++)
        if (fork() == 0)
            _exit(child_work(i));
}

static void by_vfork(char **argv) {
    for (int i = 0; i < 5; i++)
        if (vfork() == 0) {
            execl(argv[0], argv[0], "leaf", "3", NULL);
            _exit(127);
        }
}

static void by_spawn(char **argv) {
    char *args[] = {argv[0], "leaf", "4", NULL};
    for (int i = 0; i < 5; i++)
        if (posix_spawn(NULL, argv[0], NULL, NULL, args, environ) != 0)
            exit(126);
}

int main(int argc, char **argv) {
    const char *how = argc > 1 ? argv[1] : "fork";
    int number = argc > 2 ? atoi(argv[2]) : 0;
    char text[16];
    if (strcmp(how, "leaf") == 0)
        return child_work(number);
    if (strcmp(how, "exec") == 0) {
        if (number == 0)
            return child_work(21);
        snprintf(text, sizeof(text), "%d", number - 1);
        execl(argv[0], argv[0], "exec", text, NULL);
        return 127;
    }
    if (strcmp(how, "fork") == 0)
        by_fork();
    else if (strcmp(how, "vfork") == 0)
        by_vfork(argv);
    else
        by_spawn(argv);
    printf("sum %d\n", wait_for_all());
    return 0;
}
