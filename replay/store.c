#include "replay/store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <xxhash.h>

#define PAGE       4096u
#define COPY_BLOCK (1u << 20)
/* So that a limit is noticed before much more has been copied. */
#define COPY_PIECE (64u << 20)

typedef __typeof__(*((struct stored_file *)NULL)->ranges) page_range;

static uint64_t page_down(uint64_t offset) {
    return offset & ~(uint64_t)(PAGE - 1);
}

static uint64_t page_up(uint64_t offset) {
    return page_down(offset + PAGE - 1);
}

static uint64_t smaller(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static void stored_file_name(uint32_t id, char ret[16]) {
    snprintf(ret, 16, "%" PRIu32, id);
}

/* The first byte decides nearly always; else every byte is compared with its neighbour. */
static bool is_zero(const uint8_t *bytes, size_t size) {
    return !bytes[0] && memcmp(bytes, bytes + 1, size - 1) == 0;
}

/* Where the next data is, from `at` (below end) on: false when there is none before end. File systems that
 * know no holes have data everywhere. */
static bool next_data(int fd, uint64_t at, uint64_t end, uint64_t *ret_start, uint64_t *ret_end) {
    off_t start = lseek(fd, (off_t)at, SEEK_DATA);
    if (start < 0 && errno == ENXIO)
        return false;
    off_t hole = start < 0 ? -1 : lseek(fd, start, SEEK_HOLE);
    *ret_start = start < 0 ? at : (uint64_t)start;
    /* Should the file be changing under us, the hole may be anywhere: never go backwards. */
    *ret_end = hole <= start ? end : smaller((uint64_t)hole, end);
    return *ret_start < end;
}

void file_store_init(struct file_store *store, int filesfd, struct size_budget *budget) {
    *store = (struct file_store){.filesfd = filesfd, .budget = budget};
}

static void stored_file_destroy(struct stored_file *file) {
    if (!file)
        return;
    free(file->path);
    free(file->ranges);
    free(file);
}

void file_store_deinit(struct file_store *store) {
    for (size_t i = 0; i < store->count; i++)
        stored_file_destroy(store->files[i]);
    free(store->files);
    memset(store, 0, sizeof(*store));
}

/* ---- copying ---- */

/* One copy, from the program's file into a stored one. */
struct copy {
    int from, to;
    const char *path; /* of the program's file */
    uint32_t id;      /* of the stored one */
    bool seekable;    /* from is ours alone: lseek(2) on it moves nobody's position */
    bool in_kernel;   /* copy_file_range(2) has not failed yet */
    uint8_t *block;   /* COPY_BLOCK bytes when it has */
    struct size_budget *budget;
    uint64_t copied; /* bytes taken from the budget */
};

static struct error *copy_take(struct copy *copy, uint64_t size) {
    TRY(size_budget_take(copy->budget, size));
    copy->copied += size;
    return NULL;
}

static void copy_give_back(struct copy *copy, uint64_t size) {
    copy->budget->used -= size;
    copy->copied -= size;
}

static struct error *copy_failed(const struct copy *copy, int errnum) {
    return error_system(errnum, "%s: cannot copy it into the recording (file %" PRIu32 ")", copy->path,
                        copy->id);
}

static struct error *write_at(const struct copy *copy, const uint8_t *data, size_t size, uint64_t offset) {
    while (size) {
        ssize_t count = pwrite(copy->to, data, size, (off_t)offset);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return copy_failed(copy, count < 0 ? errno : EIO);
        data += count;
        offset += (uint64_t)count;
        size -= (size_t)count;
    }
    return NULL;
}

/* Write the pages of copy->block that hold anything but zeros. */
static struct error *write_block(struct copy *copy, size_t size, uint64_t offset) {
    size_t at = 0;
    while (at < size) {
        size_t end = at;
        while (end < size && !is_zero(copy->block + end, smaller(PAGE, size - end)))
            end += smaller(PAGE, size - end);
        if (end > at) {
            TRY(copy_take(copy, end - at));
            TRY(write_at(copy, copy->block + at, end - at, offset + at));
        }
        at = end + PAGE;
    }
    return NULL;
}

/* Copy a piece at *at through our own memory and move *at behind it. */
static struct error *copy_by_hand(struct copy *copy, uint64_t *at, uint64_t end) {
    if (!copy->block && !(copy->block = malloc(COPY_BLOCK)))
        return &error_no_memory;
    size_t wanted = smaller(COPY_BLOCK, end - *at);
    ssize_t count;
    do
        count = pread(copy->from, copy->block, wanted, (off_t)*at);
    while (count < 0 && errno == EINTR);
    if (count < 0)
        return error_system(errno, "%s: cannot read it for the recording", copy->path);
    if (!count) {
        /* It has become shorter since fstat(2): a program would find nothing there either. */
        *at = end;
        return NULL;
    }
    TRY(write_block(copy, (size_t)count, *at));
    *at += (uint64_t)count;
    return NULL;
}

/* The same with copy_file_range(2). When that cannot, *at stays and copy->in_kernel is cleared: it refuses
 * other file systems, memfds, files of /proc, ... each with an errno of its own; only a full or broken disk
 * is final. */
static struct error *copy_in_kernel(struct copy *copy, uint64_t *at, uint64_t end) {
    size_t wanted = smaller(COPY_PIECE, end - *at);
    off_t from = (off_t)*at, to = from;
    TRY(copy_take(copy, wanted));
    ssize_t count = copy_file_range(copy->from, &from, copy->to, &to, wanted, 0);
    int errnum = errno;
    copy_give_back(copy, wanted - (count > 0 ? (size_t)count : 0));
    if (count > 0)
        *at += (uint64_t)count;
    else if (count < 0 && (errnum == ENOSPC || errnum == EDQUOT || errnum == EFBIG || errnum == EIO))
        return copy_failed(copy, errnum);
    else if (count == 0 || errnum != EINTR)
        copy->in_kernel = false;
    return NULL;
}

/* Copy bytes [start, end), both within the file, except for holes. */
static struct error *copy_bytes(struct copy *copy, uint64_t start, uint64_t end) {
    for (uint64_t at = start; at < end;) {
        uint64_t stop = end;
        if (copy->seekable && !next_data(copy->from, at, end, &at, &stop))
            return NULL;
        while (at < stop) {
            if (copy->in_kernel)
                TRY(copy_in_kernel(copy, &at, stop));
            else
                TRY(copy_by_hand(copy, &at, stop));
        }
    }
    return NULL;
}

/* Copy what of range is not in the file yet. */
static struct error *copy_missing(struct copy *copy, const struct stored_file *file, page_range range) {
    uint64_t at = range.start;
    for (size_t i = 0; i < file->range_count && at < range.end; i++) {
        uint64_t start = file->ranges[i].start, end = file->ranges[i].end;
        if (start > at)
            TRY(copy_bytes(copy, at, smaller(smaller(start, range.end), file->size)));
        if (end > at)
            at = end;
    }
    return at < range.end ? copy_bytes(copy, at, smaller(range.end, file->size)) : NULL;
}

/* Take back what copy_missing() did, so that the hash which the log knows stays right. A file system that
 * cannot punch holes leaves the recording with a stored file whose hash is wrong: replay will say so. */
static void uncopy_missing(struct copy *copy, const struct stored_file *file, page_range range) {
    uint64_t at = range.start;
    bool done = true;
    for (size_t i = 0; i <= file->range_count && at < range.end; i++) {
        uint64_t start = i < file->range_count ? smaller(file->ranges[i].start, range.end) : range.end;
        if (start > at)
            done &= !fallocate(copy->to, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at,
                               (off_t)(start - at));
        if (i < file->range_count && file->ranges[i].end > at)
            at = file->ranges[i].end;
    }
    if (done)
        copy_give_back(copy, copy->copied);
}

/* ---- ranges ---- */

static bool holds_range(const struct stored_file *file, page_range range) {
    if (range.start >= range.end)
        return true;
    for (size_t i = 0; i < file->range_count; i++) {
        if (file->ranges[i].start <= range.start && range.end <= file->ranges[i].end)
            return true;
    }
    return false;
}

/* Add range to the sorted, disjoint ranges, of which there is room for one more. */
static void add_range(struct stored_file *file, page_range range) {
    page_range *ranges = file->ranges;
    size_t first = 0, count = file->range_count;
    if (range.start >= range.end)
        return;
    while (first < count && ranges[first].end < range.start)
        first++;
    size_t last = first; /* the first one behind those that range touches */
    while (last < count && ranges[last].start <= range.end)
        last++;
    if (last > first) {
        range.start = smaller(range.start, ranges[first].start);
        range.end = ranges[last - 1].end > range.end ? ranges[last - 1].end : range.end;
    }
    memmove(ranges + first + 1, ranges + last, (count - last) * sizeof(*ranges));
    ranges[first] = range;
    file->range_count = count - (last - first) + 1;
}

/* ---- adding ---- */

static bool same_time(const struct timespec *a, const struct timespec *b) {
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static struct stored_file *find_file(const struct file_store *store, const struct stat *status) {
    for (size_t i = store->count; i-- > 0;) {
        struct stored_file *file = store->files[i];
        if (!file->forgotten && file->device == status->st_dev && file->inode == status->st_ino &&
            file->size == (uint64_t)status->st_size && same_time(&file->mtime, &status->st_mtim) &&
            same_time(&file->ctime, &status->st_ctim))
            return file;
    }
    return NULL;
}

struct stored_file *file_store_find(const struct file_store *store, uint32_t id) {
    for (size_t i = 0; i < store->count; i++)
        if (store->files[i]->id == id)
            return store->files[i];
    return NULL;
}

void file_store_forget(struct file_store *store, uint32_t id) {
    if (id >= 1 && id <= store->count)
        store->files[id - 1]->forgotten = true;
}

static struct stored_file *new_file(uint32_t id, const char *path, const struct stat *status) {
    struct stored_file *file = calloc(1, sizeof(*file));
    if (!file)
        return NULL;
    *file = (struct stored_file){.id = id,
                                 .device = status->st_dev,
                                 .inode = status->st_ino,
                                 .mtime = status->st_mtim,
                                 .ctime = status->st_ctim,
                                 .size = (uint64_t)status->st_size};
    file->path = strdup(path);
    file->ranges = malloc(sizeof(*file->ranges));
    if (file->path && file->ranges)
        return file;
    stored_file_destroy(file);
    return NULL;
}

/* A descriptor of our own, so that seeking moves no one's position; -1 where the file cannot be opened again.
 */
static int reopen(int fd) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    /* Reading shall leave no trace; only the owner may ask for that. */
    int ret = open(path, O_RDONLY | O_CLOEXEC | O_NOATIME);
    return ret >= 0 ? ret : open(path, O_RDONLY | O_CLOEXEC);
}

static struct error *copy_new(struct copy *copy, const struct stored_file *file, page_range range) {
    bool whole = file->size && !range.start && range.end >= file->size;
    if (!whole || ioctl(copy->to, FICLONE, copy->from))
        TRY(copy_missing(copy, file, range));
    /* The tail may be a hole; and a clone is as long as the original is now. */
    if (ftruncate(copy->to, (off_t)file->size))
        return copy_failed(copy, errno);
    return NULL;
}

/* Put the file into the store's array, which then owns it. */
static struct error *add_new(struct file_store *store, struct copy *copy, const struct stat *status,
                             page_range range, struct stored_file **ret) {
    char name[16];
    copy->id = (uint32_t)store->count + 1;
    stored_file_name(copy->id, name);
    struct stored_file **files = reallocarray(store->files, store->count + 1, sizeof(*files));
    if (files)
        store->files = files;
    struct stored_file *file = files ? new_file(copy->id, copy->path, status) : NULL;
    if (!file)
        return &error_no_memory;
    copy->to = openat(store->filesfd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    struct error *err = copy->to < 0 ? copy_failed(copy, errno) : copy_new(copy, file, range);
    if (err) {
        if (copy->to >= 0)
            unlinkat(store->filesfd, name, 0);
        copy_give_back(copy, copy->copied);
        stored_file_destroy(file);
        return err;
    }
    add_range(file, range);
    file->domain = store->domain;
    file->generation = 1;
    store->files[store->count++] = file;
    *ret = file;
    return NULL;
}

/* Copy more of a file that is stored already. */
static struct error *extend(struct file_store *store, struct copy *copy, struct stored_file *file,
                            page_range range) {
    char name[16];
    copy->id = file->id;
    stored_file_name(file->id, name);
    page_range *ranges = reallocarray(file->ranges, file->range_count + 1, sizeof(*ranges));
    if (!ranges)
        return &error_no_memory;
    file->ranges = ranges;
    copy->to = openat(store->filesfd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (copy->to < 0)
        return copy_failed(copy, errno);
    struct error *err = copy_missing(copy, file, range);
    if (err)
        uncopy_missing(copy, file, range);
    else
        add_range(file, range);
    file->hashed = false;
    file->generation++;
    return err;
}

struct error *file_store_add(struct file_store *store, int fd, const char *path, uint64_t offset,
                             uint64_t size, struct stored_file **ret, bool *ret_changed) {
    struct stat status;
    if (fstat(fd, &status))
        return error_system(errno, "%s: cannot look at it", path);
    if (!S_ISREG(status.st_mode))
        return error_new(ERROR_UNSUPPORTED, "%s: mapping this kind of file cannot be recorded", path);
    uint64_t file_end = page_up((uint64_t)status.st_size);
    page_range range = {.start = page_down(smaller(offset, file_end)), .end = file_end};
    if (offset < file_end && size < file_end - offset)
        range.end = page_up(offset + size);
    struct stored_file *file = find_file(store, &status);
    if (file && file->domain != store->domain)
        file->shared = true;
    if (file && holds_range(file, range)) {
        *ret = file;
        *ret_changed = false;
        return NULL;
    }
    if (file && file->shared) {
        file->forgotten = true;
        file = NULL;
    }
    int own = reopen(fd);
    struct copy copy = {.from = own >= 0 ? own : fd,
                        .to = -1,
                        .path = path,
                        .seekable = own >= 0,
                        .in_kernel = true,
                        .budget = store->budget};
    struct error *err =
        file ? extend(store, &copy, file, range) : add_new(store, &copy, &status, range, &file);
    free(copy.block);
    if (own >= 0)
        close(own);
    if (copy.to >= 0)
        close(copy.to);
    if (err)
        return err;
    *ret = file;
    *ret_changed = true;
    return NULL;
}

/* ---- hashing ---- */

/* A stored file while it is hashed. */
struct hashing {
    int fd;
    uint32_t id;
    uint64_t size;
    XXH3_state_t *state;
    uint8_t *block; /* COPY_BLOCK bytes */
};

static struct error *read_block(const struct hashing *hashing, uint64_t offset, size_t size) {
    for (size_t done = 0; done < size;) {
        ssize_t count = pread(hashing->fd, hashing->block + done, size - done, (off_t)(offset + done));
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return error_system(errno, "stored file %" PRIu32 ": cannot read", hashing->id);
        if (!count)
            return error_new(ERROR_BAD_DATA, "stored file %" PRIu32 ": became shorter while it was read",
                             hashing->id);
        done += (size_t)count;
    }
    return NULL;
}

/* Hash the pages from start up to end; start is the start of a page. */
static struct error *hash_pages(struct hashing *hashing, uint64_t start, uint64_t end) {
    while (start < end) {
        size_t size = smaller(COPY_BLOCK, end - start);
        TRY(read_block(hashing, start, size));
        size_t whole = page_up(size);
        memset(hashing->block + size, 0, whole - size);
        for (size_t at = 0; at < whole; at += PAGE) {
            const uint8_t *page = hashing->block + at;
            uint64_t index = (start + at) / PAGE;
            if (is_zero(page, PAGE))
                continue;
            XXH3_64bits_update(hashing->state, &index, sizeof(index));
            XXH3_64bits_update(hashing->state, page, PAGE);
        }
        start += size;
    }
    return NULL;
}

/* Holes are an optimisation only: where they end matters to no page, since zeros count for nothing. */
static struct error *hash_data(struct hashing *hashing) {
    uint64_t at = 0, start, end;
    XXH3_64bits_reset(hashing->state);
    while (at < hashing->size && next_data(hashing->fd, at, hashing->size, &start, &end)) {
        start = page_down(start);
        end = smaller(page_up(end), hashing->size);
        TRY(hash_pages(hashing, start, end));
        at = end;
    }
    XXH3_64bits_update(hashing->state, &hashing->size, sizeof(hashing->size));
    return NULL;
}

static struct error *hash_file(int fd, uint32_t id, uint64_t size, uint64_t *ret) {
    struct hashing hashing = {.fd = fd, .id = id, .size = size};
    hashing.state = XXH3_createState();
    hashing.block = malloc(COPY_BLOCK);
    struct error *err = hashing.state && hashing.block ? hash_data(&hashing) : &error_no_memory;
    if (!err)
        *ret = XXH3_64bits_digest(hashing.state);
    XXH3_freeState(hashing.state);
    free(hashing.block);
    return err;
}

/* Open stored file id; it is untrusted: a FIFO of that name shall not hang us. */
static struct error *open_stored(int filesfd, uint32_t id, int *ret_fd, uint64_t *ret_size) {
    char name[16];
    struct stat status;
    stored_file_name(id, name);
    int fd = openat(filesfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT)
        return error_new(ERROR_NOT_FOUND, "stored file %" PRIu32 ": missing from the recording", id);
    struct error *err = NULL;
    if (fd < 0 || fstat(fd, &status))
        err = error_system(errno, "stored file %" PRIu32 ": cannot open", id);
    else if (!S_ISREG(status.st_mode))
        err = error_new(ERROR_BAD_DATA, "stored file %" PRIu32 ": not a regular file", id);
    if (err) {
        if (fd >= 0)
            close(fd);
        return err;
    }
    *ret_fd = fd;
    *ret_size = (uint64_t)status.st_size;
    return NULL;
}

struct error *file_store_hash(int filesfd, uint32_t id, uint64_t *ret) {
    int fd = -1;
    uint64_t size = 0;
    TRY(open_stored(filesfd, id, &fd, &size));
    struct error *err = hash_file(fd, id, size, ret);
    close(fd);
    return err;
}

struct error *file_store_file_hash(struct file_store *store, struct stored_file *file, uint64_t *ret) {
    if (!file->hashed)
        TRY(file_store_hash(store->filesfd, file->id, &file->hash));
    file->hashed = true;
    *ret = file->hash;
    return NULL;
}

static struct error *check_stored(int fd, uint32_t id, uint64_t found_size, uint64_t size, uint64_t hash) {
    if (found_size != size)
        return error_new(ERROR_BAD_DATA,
                         "stored file %" PRIu32 ": damaged: it has %" PRIu64 " bytes and not %" PRIu64, id,
                         found_size, size);
    uint64_t found_hash = 0;
    TRY(hash_file(fd, id, size, &found_hash));
    if (found_hash != hash)
        return error_new(ERROR_BAD_DATA, "stored file %" PRIu32 ": damaged: its checksum is wrong", id);
    if (lseek(fd, 0, SEEK_SET) < 0)
        return error_system(errno, "stored file %" PRIu32 ": cannot read", id);
    return NULL;
}

struct error *file_store_open(int filesfd, uint32_t id, uint64_t size, uint64_t hash, int *ret_fd) {
    int fd = -1;
    uint64_t found_size = 0;
    TRY(open_stored(filesfd, id, &fd, &found_size));
    struct error *err = check_stored(fd, id, found_size, size, hash);
    if (err)
        close(fd);
    else
        *ret_fd = fd;
    return err;
}
