/* exec after root has become somebody else for good. */
/* expect: exit 4 */
/* needs: root */
#include "victim.h"

#include <grp.h>

int main(int argc, char **argv) {
    char *arguments[] = {argv[0], "again", NULL};
    printf("%d %d\n", argc, getuid());
    fflush(stdout);
    if (argc > 1)
        return 4;
    CHECK(setgroups(0, NULL) == 0 && setresgid(65534, 65534, 65534) == 0 &&
          setresuid(65534, 65534, 65534) == 0);
    execv("/proc/self/exe", arguments);
    return 1;
}
