/* qsort_r, regular expressions, users and groups, environment and temporary files of the C library. */
/* expect: exit 0 */
#include "victim.h"
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <regex.h>
#include <time.h>

static int compare(const void *a, const void *b, void *count) {
    ++*(long *)count;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

int main(void) {
    static uint32_t numbers[20000];
    long comparisons = 0;
    fill_random(numbers, sizeof numbers);
    qsort_r(numbers, 20000, sizeof *numbers, compare, &comparisons);
    printf("%ld comparisons, %u to %u %016lx\n", comparisons, numbers[0], numbers[19999],
           (unsigned long)hash_bytes(numbers, sizeof numbers));
    regex_t pattern;
    regmatch_t match[3];
    char text[100];
    snprintf(text, sizeof text, "the pid is %d here", (int)getpid());
    CHECK(regcomp(&pattern, "([a-z]+) ([0-9]+)", REG_EXTENDED) == 0);
    CHECK(regexec(&pattern, text, 3, match, 0) == 0);
    printf("%.*s from %d\n", (int)(match[2].rm_eo - match[2].rm_so), text + match[2].rm_so, match[1].rm_so);
    regfree(&pattern);
    struct passwd *user = getpwuid(getuid());
    printf("user %s home %s at %p\n", user ? user->pw_name : "?", user ? user->pw_dir : "?", (void *)user);
    struct group *group = getgrgid(getgid());
    printf("group %s\n", group ? group->gr_name : "?");
    SHOW(getpwnam("no-such-user") == NULL);
    char name[] = "misc_libc.XXXXXX";
    int fd = mkstemp(name);
    CHECK(fd >= 0);
    glob_t found;
    SHOW(glob("misc_libc.*", 0, NULL, &found));
    for (size_t i = 0; i < found.gl_pathc; i++)
        printf("%s\n", found.gl_pathv[i]);
    CHECK(unlink(name) == 0);
    FILE *file = tmpfile();
    CHECK(file != NULL && fprintf(file, "%d %s", (int)getpid(), name) > 0);
    rewind(file);
    int pid = 0;
    CHECK(fscanf(file, "%d", &pid) == 1 && pid == getpid());
    setenv("TZ", "Europe/Berlin", 1);
    time_t now = time(NULL);
    printf("%d %s %s", pid, name, ctime(&now));
    char *line = NULL;
    size_t room = 0;
    SHOW(getline(&line, &room, stdin) >= -1);
    return 0;
}
