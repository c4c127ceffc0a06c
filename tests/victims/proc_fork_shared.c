/* Forking with shared memory ends the recording of both; what they execute is recorded again. */
/* expect: exit 4 */
/* recording: stops */
#include "victim.h"
#include <sys/mman.h>
#include <sys/wait.h>

int main(void) {
    int status;
    puts("before");
    fflush(stdout);
    volatile int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        *shared = 4;
        execl("/bin/true", "true", (char *)NULL);
        _exit(99);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    return *shared;
}
