/* name_to_handle_at fills a variable-length handle (or refuses) exactly as recorded. */
/* expect: exit 0 */
#include "victim.h"

int main(void) {
    int fd = random_file("io_handle.dat", 321);
    struct {
        struct file_handle head;
        unsigned char body[MAX_HANDLE_SZ];
    } handle;
    int mount_id = -7;
    memset(&handle, 0x5a, sizeof handle);
    handle.head.handle_bytes = 0;
    SHOW(name_to_handle_at(AT_FDCWD, "io_handle.dat", &handle.head, &mount_id, 0));
    printf("bytes %u mount %d\n", handle.head.handle_bytes, mount_id);
    handle.head.handle_bytes = MAX_HANDLE_SZ;
    SHOW(name_to_handle_at(fd, "", &handle.head, &mount_id, AT_EMPTY_PATH));
    printf("bytes %u type %d mount %d hash %016lx\n", handle.head.handle_bytes, handle.head.handle_type,
           mount_id, (unsigned long)hash_bytes(&handle, sizeof handle));
    int where = open(".", O_RDONLY | O_DIRECTORY);
    int again = open_by_handle_at(where, &handle.head, O_RDONLY);
    printf("open_by_handle_at %d errno %d\n", again, again < 0 ? errno : 0);
    if (again >= 0) {
        unsigned char bytes[321];
        printf("read %zd %016lx\n", read(again, bytes, sizeof bytes), (unsigned long)hash_bytes(bytes, 321));
    }
    CHECK(unlink("io_handle.dat") == 0);
    return 0;
}
