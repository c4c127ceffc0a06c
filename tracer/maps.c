#include "tracer/maps.h"

#include "tracer/ptrace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static struct error *add(struct maps *maps, const struct mapping *mapping) {
    if (maps->count == maps->room) {
        size_t room = maps->room ? maps->room * 2 : 64;
        struct mapping *mappings = realloc(maps->mappings, room * sizeof(*mappings));
        if (!mappings)
            return &error_no_memory;
        maps->mappings = mappings;
        maps->room = room;
    }
    maps->mappings[maps->count++] = *mapping;
    return NULL;
}

/* 55d0c2a00000-55d0c2a02000 r--p 00000000 fe:00 1234   /usr/bin/true */
static struct error *parse_line(const char *line, struct mapping *ret) {
    unsigned long start, end, offset, inode;
    unsigned device_major, device_minor;
    char flags[5];
    int name_at = 0;
    if (sscanf(line, "%lx-%lx %4s %lx %x:%x %lu %n", &start, &end, flags, &offset, &device_major,
               &device_minor, &inode, &name_at) != 7 ||
        !name_at)
        return error_new(ERROR_BAD_DATA, "memory map: a line that makes no sense: %.80s", line);
    *ret = (struct mapping){
        .start = start,
        .end = end,
        .protection = (flags[0] == 'r' ? PROT_READ : 0) | (flags[1] == 'w' ? PROT_WRITE : 0) |
                      (flags[2] == 'x' ? PROT_EXEC : 0),
        .shared = flags[3] == 's',
        .offset = offset,
        .device = makedev(device_major, device_minor),
        .inode = inode,
        .name = strdup(line + name_at),
    };
    if (!ret->name)
        return &error_no_memory;
    ret->name[strcspn(ret->name, "\n")] = 0;
    return NULL;
}

static struct error *parse_file(FILE *file, struct maps *ret) {
    char *line = NULL;
    size_t room = 0;
    struct error *err = NULL;
    while (!err && getline(&line, &room, file) > 0) {
        struct mapping mapping = {0};
        err = parse_line(line, &mapping);
        if (!err)
            err = add(ret, &mapping);
        if (err)
            free(mapping.name);
    }
    free(line);
    return err;
}

struct error *maps_read(pid_t pid, struct maps *ret) {
    *ret = (struct maps){0};
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/maps", pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return error_system(errno == ENOENT ? ESRCH : errno, "%s", path);
    struct error *err = parse_file(file, ret);
    fclose(file);
    if (err)
        maps_deinit(ret);
    return err;
}

struct error *maps_read_stopped(pid_t tid, struct maps *ret) {
    TRY(maps_read(tid, ret));
    uint64_t mask;
    struct error *err =
        trace_get_sigmask(tid, &mask); /* any request does: none of a task that is not stopped */
    if (err)
        maps_deinit(ret);
    return err;
}

void maps_deinit(struct maps *maps) {
    for (size_t i = 0; i < maps->count; i++)
        free(maps->mappings[i].name);
    free(maps->mappings);
    *maps = (struct maps){0};
}

/* Make room for one more behind the mapping at index, which it is a copy of. */
static struct error *split(struct maps *maps, size_t index) {
    struct mapping copy = maps->mappings[index];
    copy.name = strdup(copy.name);
    struct error *err = copy.name ? add(maps, &copy) : &error_no_memory;
    if (err) {
        free(copy.name);
        return err;
    }
    memmove(&maps->mappings[index + 1], &maps->mappings[index],
            (maps->count - 1 - index) * sizeof(*maps->mappings));
    maps->mappings[index + 1] = copy;
    return NULL;
}

struct error *maps_cut(struct maps *maps, uint64_t address, uint64_t size) {
    const uint64_t word = 8;
    uint64_t start = address & ~(word - 1), end = (address + size + word - 1) & ~(word - 1);
    if (!size || end < start)
        return NULL;
    for (size_t i = 0; i < maps->count; i++) {
        struct mapping *mapping = &maps->mappings[i];
        if (mapping->end <= start || mapping->start >= end)
            continue;
        if (mapping->start < start && mapping->end > end) {
            TRY(split(maps, i));
            maps->mappings[i].end = start;
            maps->mappings[i + 1].offset += end - maps->mappings[i + 1].start;
            maps->mappings[i + 1].start = end;
            return NULL;
        }
        if (mapping->start < start) {
            mapping->end = start;
        } else if (mapping->end > end) {
            mapping->offset += end - mapping->start;
            mapping->start = end;
        } else { /* nothing is left */
            mapping->end = mapping->start;
        }
    }
    return NULL;
}

const struct mapping *maps_find(const struct maps *maps, uint64_t address) {
    size_t low = 0, high = maps->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct mapping *mapping = &maps->mappings[middle];
        if (address < mapping->start)
            high = middle;
        else if (address >= mapping->end)
            low = middle + 1;
        else
            return mapping;
    }
    return NULL;
}

bool mapping_is_kernel_data(const struct mapping *mapping) {
    return strncmp(mapping->name, "[vvar", 5) == 0 || strcmp(mapping->name, "[vsyscall]") == 0;
}

#define PAGEMAP_PRESENT (1ull << 63)
#define PAGEMAP_SWAPPED (1ull << 62)
#define PAGEMAP_FILE    (1ull << 61) /* a page of a file, or shared anonymous */

struct error *maps_own_pages(pid_t pid, uint64_t start, size_t count, bool *ret) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_system(errno, "%s", path);
    uint64_t entries[512];
    struct error *err = NULL;
    for (size_t done = 0; done < count && !err;) {
        size_t want = count - done < 512 ? count - done : 512;
        ssize_t got = pread(fd, entries, want * 8, (off_t)((start / 4096 + done) * 8));
        if (got <= 0 || got % 8)
            err = error_system(got < 0 ? errno : EIO, "%s", path);
        for (ssize_t i = 0; i < got / 8; i++) {
            uint64_t entry = entries[i];
            ret[done++] = (entry & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED)) && !(entry & PAGEMAP_FILE);
        }
    }
    close(fd);
    return err;
}

/* The file behind a mapping. The link in map_files needs privileges; its path, seen from the program's root,
 * mostly does as well. */
int mapping_open(pid_t pid, const struct mapping *mapping) {
    char path[4200];
    struct stat info;
    snprintf(path, sizeof(path), "/proc/%d/map_files/%llx-%llx", pid, (unsigned long long)mapping->start,
             (unsigned long long)mapping->end);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a device, or a fifo put in its place */
    if (fd >= 0)
        return fd;
    const char *const ways[] = {"root", "exe"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "/proc/%d/%s%s", pid, ways[i], i ? "" : mapping->name);
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd >= 0 && fstat(fd, &info) == 0 && info.st_ino == mapping->inode)
            return fd;
        if (fd >= 0)
            close(fd);
    }
    return -1;
}
