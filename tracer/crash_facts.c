/* crash_facts: what /proc tells of a process (proc(5)): how it was called, where it is, what it has open. */
#include "tracer/crash_state.h"

#include "tracer/process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MOST = 4 << 20, LINK_MOST = 4096 };

const char *const crash_masks[] = {"PASS",   "SECRET",  "TOKEN", "KEY",    "CREDENTIAL", "AUTH", "PRIVATE",
                                   "COOKIE", "SESSION", "SALT",  "CIPHER", "LICENSE",    "DSN",  NULL};

/* ---- lists ---- */

struct error *crash_list_add(struct crash_list *list, const char *text, size_t size) {
    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 32;
        char **grown = realloc(list->items, room * sizeof(*grown));
        if (!grown)
            return &error_no_memory;
        list->items = grown;
        list->room = room;
    }
    list->items[list->count] = strndup(text, size);
    return list->items[list->count] ? (list->count++, NULL) : &error_no_memory;
}

void crash_list_deinit(struct crash_list *list) {
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct crash_list){0};
}

void crash_facts_deinit(struct crash_facts *facts) {
    for (size_t i = 0; i < facts->descriptor_count; i++) {
        free(facts->descriptors[i].target);
        free(facts->descriptors[i].flags);
    }
    free(facts->descriptors);
    free(facts->exe);
    free(facts->cwd);
    free(facts->root);
    free(facts->cgroup);
    free(facts->limits);
    crash_list_deinit(&facts->arguments);
    crash_list_deinit(&facts->environment);
    *facts = (struct crash_facts){0};
}

/* ---- files of /proc ---- */

static void name_of(const struct crash *crash, const char *what, char *ret, size_t size) {
    snprintf(ret, size, "/proc/%d/%s", crash->event->task->tid, what); /* its leader may be gone */
}

/* The contents, NUL-terminated, cut at FILE_MOST; NULL when it cannot be read. */
static char *read_file(const struct crash *crash, const char *what, size_t *ret_size) {
    char path[128];
    struct buffer text = {0};
    name_of(crash, what, path, sizeof(path));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    for (ssize_t got = 1; fd >= 0 && got > 0 && text.size < FILE_MOST;) {
        void *room = buffer_reserve(&text, 65536);
        got = room ? read(fd, room, 65536) : -1;
        if (got > 0)
            text.size += (size_t)got;
    }
    if (fd >= 0)
        close(fd);
    *ret_size = text.size;
    buffer_put_u8(&text, 0);
    if (fd >= 0 && !text.failed)
        return (char *)text.data;
    buffer_deinit(&text);
    return NULL;
}

static char *read_link(const struct crash *crash, const char *what) {
    char path[128], target[LINK_MOST];
    name_of(crash, what, path, sizeof(path));
    ssize_t size = readlink(path, target, sizeof(target));
    return size > 0 ? strndup(target, (size_t)size) : NULL;
}

static struct error *split(const char *text, size_t size, struct crash_list *ret) {
    for (size_t at = 0; at < size;) {
        size_t length = strnlen(text + at, size - at);
        if (ret->count == CRASH_LIST) {
            ret->cut = true;
            return NULL;
        }
        TRY(crash_list_add(ret, text + at, length));
        at += length + 1;
    }
    return NULL;
}

/* ---- secrets ---- */

static bool contains(const char *name, size_t size, const char *word) {
    size_t length = strlen(word);
    for (size_t i = 0; length && i + length <= size; i++)
        if (strncasecmp(name + i, word, length) == 0)
            return true;
    return false;
}

bool crash_is_secret(const struct crash_options *options, const char *name, size_t size) {
    for (size_t i = 0; crash_masks[i]; i++)
        if (contains(name, size, crash_masks[i]))
            return true;
    for (size_t i = 0; i < options->mask_count; i++)
        if (contains(name, size, options->masks[i]))
            return true;
    return false;
}

static bool replace_tail(char **item, size_t keep, const char *tail) {
    char *text = malloc(keep + strlen(tail) + 1);
    if (!text)
        return false;
    memcpy(text, *item, keep);
    strcpy(text + keep, tail);
    free(*item);
    *item = text;
    return true;
}

/* scheme://user:password@host */
static bool mask_url(char *text) {
    char *scheme = strstr(text, "://");
    char *at = scheme ? strchr(scheme, '@') : NULL;
    char *colon = scheme ? strchr(scheme + 3, ':') : NULL;
    if (!at || !colon || colon > at || memchr(scheme + 3, '/', (size_t)(at - scheme - 3)))
        return false;
    memset(colon + 1, '*', (size_t)(at - colon - 1));
    return true;
}

/* NAME=value: of a secret only the name is kept. Of arguments this covers --password=value, and
 * `--password value`. */
static struct error *mask(struct crash *crash, struct crash_list *list, bool is_arguments) {
    static const char masked[] = "<masked>";
    bool next = false;
    for (size_t i = 0; i < list->count; i++) {
        const char *equals = strchr(list->items[i], '=');
        size_t name = equals ? (size_t)(equals - list->items[i]) : strlen(list->items[i]);
        bool secret = crash_is_secret(crash->options, list->items[i], name);
        bool good = true, was_next = next;
        next = is_arguments && secret && !equals && list->items[i][0] == '-';
        if (secret && equals)
            good = replace_tail(&list->items[i], name + 1, masked);
        else if (was_next && list->items[i][0] != '-')
            good = replace_tail(&list->items[i], 0, masked);
        else if (!mask_url(list->items[i]))
            continue;
        if (!good)
            return &error_no_memory;
        crash->facts.masked++;
    }
    return NULL;
}

/* ---- descriptors ---- */

static void describe(const struct crash *crash, struct crash_descriptor *descriptor) {
    char what[64];
    size_t size;
    snprintf(what, sizeof(what), "fd/%d", descriptor->fd);
    descriptor->target = read_link(crash, what);
    if (descriptor->target)
        mask_url(descriptor->target);
    snprintf(what, sizeof(what), "fdinfo/%d", descriptor->fd);
    char *text = read_file(crash, what, &size);
    const char *flags = text ? strstr(text, "flags:") : NULL;
    const char *position = text ? strstr(text, "pos:") : NULL;
    if (flags)
        descriptor->flags = strndup(flags + 7, strcspn(flags + 7, "\n"));
    if (position)
        descriptor->offset = strtoull(position + 4, NULL, 10);
    free(text);
}

static int compare_descriptors(const void *a, const void *b) {
    return ((const struct crash_descriptor *)a)->fd - ((const struct crash_descriptor *)b)->fd;
}

static struct error *add_descriptor(struct crash *crash, int fd) {
    struct crash_facts *facts = &crash->facts;
    if (facts->descriptor_count == facts->descriptor_room) {
        size_t room = facts->descriptor_room ? 2 * facts->descriptor_room : 32;
        struct crash_descriptor *grown = realloc(facts->descriptors, room * sizeof(*grown));
        if (!grown)
            return &error_no_memory;
        facts->descriptors = grown;
        facts->descriptor_room = room;
    }
    struct crash_descriptor *descriptor = &facts->descriptors[facts->descriptor_count++];
    *descriptor = (struct crash_descriptor){.fd = fd};
    describe(crash, descriptor);
    return NULL;
}

static struct error *find_descriptors(struct crash *crash) {
    char path[64];
    struct error *err = NULL;
    name_of(crash, "fd", path, sizeof(path));
    DIR *directory = opendir(path);
    for (struct dirent *entry; directory && !err && (entry = readdir(directory));) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        crash->facts.descriptors_cut = crash->facts.descriptor_count == CRASH_LIST;
        if (crash->facts.descriptors_cut)
            break;
        err = add_descriptor(crash, (int)strtol(entry->d_name, NULL, 10));
    }
    if (directory)
        closedir(directory);
    if (crash->facts.descriptor_count)
        qsort(crash->facts.descriptors, crash->facts.descriptor_count, sizeof(*crash->facts.descriptors),
              compare_descriptors);
    return err;
}

/* ---- all of it ---- */

static void find_times(struct crash *crash) {
    size_t size;
    char *text = read_file(crash, "stat", &size);
    const char *at = text ? strrchr(text, ')') : NULL;
    unsigned long long started = 0;
    double up = 0;
    FILE *file = fopen("/proc/uptime", "re");
    crash->facts.uptime = -1;
    /* behind the name: state, ppid, ...; field 22 is the start, in ticks since the boot */
    if (file && fscanf(file, "%lf", &up) == 1 && at &&
        sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
               &started) == 1)
        crash->facts.uptime = up - (double)started / (double)sysconf(_SC_CLK_TCK);
    if (at)
        crash->facts.ppid = (pid_t)strtol(at + 4, NULL, 10);
    if (file)
        fclose(file);
    free(text);
}

struct error *crash_find_facts(struct crash *crash) {
    struct crash_facts *facts = &crash->facts;
    struct process_status status = {0};
    size_t size;
    error_free(process_status(crash->event->task->tid, &status));
    struct process_status leader = status; /* threads may have names of their own */
    error_free(process_status(crash->event->pid, &leader));
    snprintf(facts->name, sizeof(facts->name), "%s", leader.name);
    facts->uid = status.uid;
    facts->exe = read_link(crash, "exe");
    facts->cwd = read_link(crash, "cwd");
    facts->root = read_link(crash, "root");
    facts->limits = read_file(crash, "limits", &size);
    facts->cgroup = read_file(crash, "cgroup", &size);
    find_times(crash);
    char *text = read_file(crash, "cmdline", &size);
    struct error *err = text ? split(text, size, &facts->arguments) : NULL;
    free(text);
    text = err ? NULL : read_file(crash, "environ", &size);
    if (text)
        err = split(text, size, &facts->environment);
    free(text);
    if (!err)
        err = mask(crash, &facts->arguments, true);
    if (!err)
        err = mask(crash, &facts->environment, false);
    return err ? err : find_descriptors(crash);
}
