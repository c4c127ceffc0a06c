/* Re-executed with another environment and argv bytes that are not UTF-8, empty or long. */
/* expect: exit 0 */
#include "victim.h"

extern char **environ;

static void show(const char *what, char **list) {
    for (int i = 0; list[i] != NULL; i++) {
        printf("%s[%d] %p length %zu ", what, i, (void *)list[i], strlen(list[i]));
        for (size_t at = 0; list[i][at] != 0 && at < 40; at++)
            printf(list[i][at] >= ' ' && list[i][at] < 127 ? "%c" : "\\x%02x", (unsigned char)list[i][at]);
        printf(" %016lx\n", (unsigned long)hash_bytes(list[i], strlen(list[i])));
    }
}

int main(int argc, char **argv) {
    printf("pid %d, %d arguments\n", (int)getpid(), argc);
    show("argv", argv);
    show("env", environ);
    if (argc > 1) {
        fwrite(argv[2], 1, strlen(argv[2]), stdout);
        printf("\n%s\n", getenv("VICTIM") ? "set" : "unset");
        return 0;
    }
    static char large[100001];
    for (size_t i = 0; i < sizeof large - 1; i++)
        large[i] = (char)(i % 255 + 1);
    char bytes[] = "\xff\xfe\x80 caf\xe9 \xc3\x28 \xf0\x9f\x98\x80 \x01\x1b[0m";
    char pid[40];
    snprintf(pid, sizeof pid, "PID=%d", (int)getpid());
    char *arguments[] = {argv[0], "", bytes, large, "a b\tc\nd\"'\\", NULL};
    char *environment[] = {"VICTIM=\xde\xad\xbe\xef", pid, "NOEQUALS", "=", "EMPTY=", NULL};
    fflush(stdout);
    execve("/proc/self/exe", arguments, environment);
    return 98;
}
