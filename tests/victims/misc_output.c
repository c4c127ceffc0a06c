/* Twenty megabytes of output arrive whole, in large and small writes. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/uio.h>

int main(void) {
    static unsigned char block[1 << 20];
    fill_random(block, sizeof block);
    for (int i = 0; i < 19; i++) {
        block[i] ^= (unsigned char)i;
        for (size_t at = 0; at < sizeof block;) {
            size_t step = sizeof block - at;
            struct iovec parts[2] = {{block + at, step / 2}, {block + at + step / 2, step - step / 2}};
            ssize_t wrote = i % 2 ? write(1, block + at, step) : writev(1, parts, 2);
            CHECK(wrote > 0);
            at += (size_t)wrote;
        }
    }
    for (int i = 0; i < 20000; i++)
        printf("line %d of pid %d and some padding to make it long enough\n", i, (int)getpid());
    fprintf(stderr, "%016lx\n", (unsigned long)hash_bytes(block, sizeof block));
    return 0;
}
