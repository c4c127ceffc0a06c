/* mprotect changes one mapping, and then the next one refuses. */
/* expect: exit 0 */
/* recording: stops */
#include "victim.h"

#include <sys/mman.h>

#define PAGE 4096

int main(void) {
    close(random_file("file", PAGE));
    int fd = open("file", O_RDONLY);
    char *memory = mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(fd >= 0 && memory != MAP_FAILED);
    CHECK(mmap(memory + PAGE, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) == memory + PAGE);
    puts("before");
    fflush(stdout);
    CHECK(mprotect(memory, 2 * PAGE, PROT_READ | PROT_WRITE) == -1 && errno == EACCES);
    memory[0] = 1;
    puts("after");
    return 0;
}
