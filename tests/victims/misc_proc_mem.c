/* Own memory changed and read by the kernel: /proc/self/mem and process_vm_readv/writev on itself. */
/* expect: exit 0 */
/* recording: stops */
#include "victim.h"
#include <sys/uio.h>

int main(void) {
    static unsigned char target[5000], copy[5000];
    unsigned char bytes[3000];
    fill_random(bytes, sizeof bytes);
    int own = open("/proc/self/mem", O_RDWR);
    printf("pid %d target %p\n", (int)getpid(), (void *)target);
    SHOW(pwrite(own, bytes, sizeof bytes, (off_t)(uintptr_t)(target + 100)));
    printf("%016lx\n", (unsigned long)hash_bytes(target, sizeof target));
    SHOW(pread(own, copy, sizeof copy, (off_t)(uintptr_t)target));
    printf("%016lx\n", (unsigned long)hash_bytes(copy, sizeof copy));
    SHOW(pread(own, copy, 10, 16));
    struct iovec local[2] = {{bytes, 1000}, {bytes + 2000, 500}},
                 remote[2] = {{target + 4000, 700}, {target, 800}};
    SHOW(process_vm_writev(getpid(), local, 2, remote, 2, 0));
    printf("%016lx\n", (unsigned long)hash_bytes(target, sizeof target));
    remote[1].iov_base = copy + 4100;
    SHOW(process_vm_readv(getpid(), local, 2, remote, 2, 0));
    printf("%016lx\n", (unsigned long)hash_bytes(bytes, sizeof bytes));
    return 0;
}
