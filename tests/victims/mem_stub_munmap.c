/* Low memory, the page that the replayer keeps for itself among it, is unmapped and given advice. */
/* expect: exit 0 */
/* recording: stops */
#include "victim.h"
#include <sys/mman.h>

int main(void) {
    char *page = (char *)0x20000;
    puts("before");
    fflush(stdout);
    CHECK(munmap(page - 65536, 1 << 20) == 0);
    CHECK(madvise(page, 4096, MADV_DONTNEED) < 0 && errno == ENOMEM);
    puts("after");
    return 0;
}
