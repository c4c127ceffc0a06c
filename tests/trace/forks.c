/* A child goes on in its parent's frames, in a trace of its own; another one executes the program again. */
/* recording: no */
#include "say.h"

#include <string.h>
#include <sys/wait.h>

CALLED int work(int x) {
    EXPECT("call work x=%d", x);
    EXPECT("return work %d", x * x);
    return x * x;
}
CALLED int divide(const char *self) {
    EXPECT("call divide");
    pid_t child = fork();
    if (!child) {
        work(2);
        EXPECT("return divide 2");
        return 2;
    }
    waitpid(child, NULL, 0);
    work(3);
    child = fork();
    if (!child) {
        work(4);
        execl(self, self, "again", (char *)NULL);
        _exit(1);
    }
    waitpid(child, NULL, 0);
    work(5);
    EXPECT("return divide 5");
    return 5;
}
int main(int argc, char **argv) {
    EXPECT("call main argc=%d", argc);
    if (argc > 1) {
        work(6);
        EXPECT("return main 0");
        return 0;
    }
    int result = divide(argv[0]);
    EXPECT("return main %d", result);
    return result;
}
