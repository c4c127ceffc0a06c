/* getdents into memory that ends before the buffer does: the entry that does not fit is begun all the same.
 */
/* expect: exit 0 */
#include "victim.h"
#include <sys/mman.h>
#include <sys/stat.h>

int main(void) {
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), name[32];
    CHECK(pages != MAP_FAILED && mprotect(pages + 4096, 4096, PROT_NONE) == 0);
    CHECK(mkdir("folder", 0755) == 0);
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "folder/entry-%d", i * i * i);
        close(open(name, O_CREAT | O_WRONLY, 0644));
    }
    for (int room = 100; room < 700; room += 33) {
        int fd = open("folder", O_RDONLY | O_DIRECTORY);
        CHECK(fd >= 0);
        memset(pages, room, 4096);
        char *buffer = pages + 4096 - room;
        SHOW(syscall(SYS_getdents64, fd, buffer, 4096));
        printf("%d: %lx\n", room, hash_bytes(pages, 4096));
        close(fd);
    }
    return 0;
}
