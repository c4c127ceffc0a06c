/* A mapping is moved to the page that the replayer keeps for itself. */
/* expect: exit 0 */
/* recording: stops */
#include "victim.h"
#include <sys/mman.h>

int main(void) {
    char *page = (char *)0x20000;
    void *a = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(a != MAP_FAILED);
    puts("before");
    fflush(stdout);
    CHECK(mremap(a, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, page) == page);
    strcpy(page, "after");
    puts(page);
    return 0;
}
