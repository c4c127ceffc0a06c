/* Becomes itself again and again, with a vfork or two on the way: chain COUNT. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
    char next[20];
    if (argc < 2)
        return 1;
    snprintf(next, sizeof(next), "%d", atoi(argv[1]) + 1);
    printf("%s\n", argv[1]);
    fflush(stdout);
    for (int i = 0; i < 2; i++)
        if (vfork() == 0)
            _exit(0);
    while (wait(NULL) > 0)
        ;
    execve(argv[0], (char *[]){argv[0], next, NULL}, environ);
    return 1;
}
