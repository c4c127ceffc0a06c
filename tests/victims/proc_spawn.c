/* vfork, posix_spawn, popen, system: children sharing this memory until they exec, or fail to. */
/* expect: exit 0 */
#include "victim.h"
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;

int main(void) {
    int status = -1;
    volatile int shared = 1;
    printf("parent %d\n", (int)getpid());
    fflush(stdout);
    pid_t child = vfork();
    if (child == 0) {
        execl("/bin/true", "true", (char *)NULL);
        _exit(99);
    }
    SHOW(waitpid(child, &status, 0) == child);
    printf("true %d status %x\n", (int)child, status);
    fflush(stdout);
    child = vfork();
    if (child == 0) {
        shared = 2;
        execl("/nonexistent/program", "none", (char *)NULL);
        _exit(errno);
    }
    SHOW(waitpid(child, &status, 0) == child);
    printf("failed exec status %x, shared %d\n", status, shared);
    CHECK(status == ENOENT << 8);
    char *arguments[] = {"sh", "-c", "exit 6", NULL};
    SHOW(posix_spawn(&child, "/bin/sh", NULL, NULL, arguments, environ));
    SHOW(waitpid(child, &status, 0) == child);
    printf("spawned %d status %x\n", (int)child, status);
    SHOW(posix_spawn(&child, "/nonexistent/program", NULL, NULL, arguments, environ));
    posix_spawn_file_actions_t actions;
    CHECK(posix_spawn_file_actions_init(&actions) == 0);
    CHECK(posix_spawn_file_actions_addopen(&actions, 1, "proc_spawn.out", O_CREAT | O_WRONLY | O_TRUNC,
                                           0600) == 0);
    char *echo[] = {"sh", "-c", "echo spawned as $$", NULL};
    SHOW(posix_spawnp(&child, "sh", &actions, NULL, echo, environ));
    SHOW(waitpid(child, &status, 0) == child);
    char text[200] = "";
    int fd = open("proc_spawn.out", O_RDONLY);
    CHECK(fd >= 0 && read(fd, text, sizeof text - 1) > 0 && unlink("proc_spawn.out") == 0);
    printf("%s", text);
    fflush(stdout);
    FILE *from = popen("echo popened as $$; date +%N; exit 5", "r");
    CHECK(from != NULL);
    while (fgets(text, sizeof text, from) != NULL)
        printf("%s", text);
    SHOW(pclose(from));
    SHOW(system("exit 4"));
    SHOW(system("kill -9 $$"));
    SHOW(system(NULL));
    return 0;
}
