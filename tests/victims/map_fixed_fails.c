/* A mapping that its driver refuses at the last moment has unmapped what was there. */
/* expect: exit 0 */
/* recording: stops */
#include "victim.h"

#include <sys/mman.h>
#include <sys/socket.h>

#define PAGE 4096

int main(void) {
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    char *memory = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(fd >= 0 && memory != MAP_FAILED);
    memset(memory, 3, 3 * PAGE);
    puts("before");
    fflush(stdout);
    CHECK(mmap(memory + PAGE, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED &&
          errno == ENODEV);
    SHOW(msync(memory + PAGE, PAGE, MS_ASYNC)); /* ENOMEM where nothing is mapped */
    return 0;
}
