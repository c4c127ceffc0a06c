/* A process that shares memory becomes another program; so does the first one, and the other goes on. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/mman.h>
#include <sys/wait.h>

static volatile int *shared;

static void await(int index) {
    while (!shared[index])
        usleep(500);
}

int main(int argc, char **argv) {
    int status, ends[2];
    char text[16] = "";
    if (argc > 1) {
        CHECK(read(atoi(argv[1]), text, 4) == 4 && strcmp(text, "done") == 0);
        puts("the first one, as another program");
        return 0;
    }
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED && pipe(ends) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        shared[0] = 4;
        execl("/bin/echo", "echo", "another program", (char *)NULL);
        _exit(99);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0 && shared[0] == 4);
    fflush(stdout);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        shared[1] = 1;
        await(2);
        usleep(10000);
        shared[3]++;
        puts("the other goes on");
        fflush(stdout);
        CHECK(write(ends[1], "done", 4) == 4);
        _exit(0);
    }
    await(1);
    shared[2] = 1;
    snprintf(text, sizeof text, "%d", ends[0]);
    execl(argv[0], argv[0], text, (char *)NULL);
    return 99;
}
