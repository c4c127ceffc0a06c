/* A child writes to a file that its parent has mapped. */
/* expect: exit 0 */
/* recording: stops */
#include "victim.h"
#include <sys/mman.h>
#include <sys/wait.h>

int main(void) {
    int status;
    puts("before");
    fflush(stdout);
    int fd = random_file("proc_write_mapped.in", 8192);
    const unsigned char *mapped = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, fd, 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0)
        _exit(pwrite(fd, "new", 3, 4096) == 3 ? 0 : 1);
    CHECK(mapped != MAP_FAILED && waitpid(child, &status, 0) == child && status == 0);
    CHECK(memcmp(mapped + 4096, "new", 3) == 0);
    return 0;
}
