/* SysV shared memory attached twice is one memory, through detach and removal. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/ipc.h>
#include <sys/shm.h>

int main(void) {
    int id = shmget(IPC_PRIVATE, 20000, IPC_CREAT | 0600);
    CHECK(id >= 0);
    unsigned char *a = shmat(id, NULL, 0), *b = shmat(id, NULL, SHM_RDONLY);
    CHECK(a != (void *)-1 && b != (void *)-1);
    printf("id %d at %p and %p\n", id, (void *)a, (void *)b);
    fill_random(a + 50, 15000);
    CHECK(memcmp(a, b, 20000) == 0);
    printf("%016lx\n", (unsigned long)hash_bytes(b, 20480));
    struct shmid_ds info;
    CHECK(shmctl(id, IPC_STAT, &info) == 0);
    printf("%lu bytes, %lu attached, creator %d, atime %ld\n", (unsigned long)info.shm_segsz,
           (unsigned long)info.shm_nattch, info.shm_cpid, (long)info.shm_atime);
    SHOW(shmdt(a));
    a = shmat(id, NULL, 0);
    CHECK(a != (void *)-1);
    SHOW(shmctl(id, IPC_RMID, NULL));
    a[19999] = 'e';
    printf("%p %c %016lx\n", (void *)a, b[19999], (unsigned long)hash_bytes(b, 20480));
    CHECK(read(open("/dev/urandom", O_RDONLY), a, 999) == 999 && memcmp(a, b, 20480) == 0);
    printf("%016lx\n", (unsigned long)hash_bytes(b, 20480));
    SHOW(shmdt(a));
    SHOW(shmdt(b));
    SHOW(shmdt(a));
    SHOW(shmat(id, NULL, 0) == (void *)-1);
    return 0;
}
