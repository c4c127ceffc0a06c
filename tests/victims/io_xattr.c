/* Extended attributes read back from the recording, sizes and errors included. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/xattr.h>

int main(void) {
    int fd = random_file("io_xattr.dat", 10);
    unsigned char value[64], back[200];
    fill_random(value, sizeof value);
    SHOW(setxattr("io_xattr.dat", "user.one", value, sizeof value, 0));
    SHOW(lsetxattr("io_xattr.dat", "user.two", "second", 6, XATTR_CREATE));
    SHOW(fsetxattr(fd, "user.one", "again", 5, XATTR_CREATE));
    memset(back, 0, sizeof back);
    SHOW(getxattr("io_xattr.dat", "user.one", back, sizeof back));
    printf("%016lx\n", (unsigned long)hash_bytes(back, sizeof back));
    SHOW(getxattr("io_xattr.dat", "user.one", NULL, 0));
    SHOW(fgetxattr(fd, "user.two", back, 3));
    SHOW(lgetxattr("io_xattr.dat", "user.none", back, sizeof back));
    memset(back, 0, sizeof back);
    SHOW(listxattr("io_xattr.dat", (char *)back, sizeof back));
    SHOW(flistxattr(fd, NULL, 0));
    printf("%016lx\n", (unsigned long)hash_bytes(back, sizeof back));
    SHOW(fremovexattr(fd, "user.one"));
    SHOW(removexattr("io_xattr.dat", "user.one"));
    SHOW(llistxattr("io_xattr.dat", (char *)back, sizeof back));
    CHECK(unlink("io_xattr.dat") == 0);
    return 0;
}
