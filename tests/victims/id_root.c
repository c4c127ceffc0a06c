/* Changing identity: setresuid, setgroups and the refusals after them are answered as recorded. */
/* expect: exit 0 */
/* needs: root */
#include "victim.h"
#include <grp.h>
#include <sys/fsuid.h>

int main(void) {
    uid_t r, e, s;
    gid_t some[3] = {10, 20, 30}, back[8];
    CHECK(getuid() == 0);
    SHOW(setgroups(3, some));
    SHOW(getgroups(8, back));
    printf("%016lx pid %d\n", (unsigned long)hash_bytes(back, 3 * sizeof *back), (int)getpid());
    SHOW(setresgid(65534, 65534, 65534));
    SHOW(setresuid(65534, 65534, 0));
    CHECK(getresuid(&r, &e, &s) == 0 && r == 65534 && e == 65534 && s == 0);
    SHOW(seteuid(0));
    SHOW(setreuid(65534, 65534));
    SHOW(setresuid(65534, 65534, 65534));
    CHECK(getresuid(&r, &e, &s) == 0);
    printf("uid %u %u %u gid %u\n", r, e, s, getgid());
    SHOW(setuid(0));
    SHOW(setgroups(0, NULL));
    SHOW(setfsuid(0));
    return 0;
}
