/* Two processes map one file, and one can write to it: the other's recording ends. */
/* expect: exit 0 */
/* recording: stops */
#include "victim.h"
#include <sys/mman.h>
#include <sys/wait.h>

int main(void) {
    int status, ends[2];
    char byte;
    CHECK(pipe(ends) == 0);
    puts("before");
    fflush(stdout);
    int fd = random_file("proc_map_same.in", 8192);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK(read(ends[0], &byte, 1) == 1);
        unsigned char *own = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        CHECK(own != MAP_FAILED);
        own[100] = 77;
        _exit(0);
    }
    const unsigned char *mapped = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);
    CHECK(mapped != MAP_FAILED && write(ends[1], "x", 1) == 1);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(mapped[100] == 77);
    return 0;
}
