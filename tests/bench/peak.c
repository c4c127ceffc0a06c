/* peak FILE COMMAND...: runs the command and appends the peak of its memory, in kB, to the file. A program as
 * small as can be: the peak of who starts a program counts as its own. */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
    struct rusage usage;
    int status = 0;
    pid_t pid = argc > 2 ? vfork() : -1;
    if (pid == 0) {
        execvp(argv[2], argv + 2);
        _exit(127);
    }
    FILE *file = pid > 0 && wait4(pid, &status, 0, &usage) == pid ? fopen(argv[1], "a") : NULL;
    if (!file)
        return 125;
    fprintf(file, "%ld\n", usage.ru_maxrss);
    fclose(file);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 126;
}
