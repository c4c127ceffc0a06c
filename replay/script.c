#include "replay/script.h"

#include "base/version.h"
#include "replay/pack.h"
#include "replay/processes.h"
#include "replay/recording.h"
#include "replay/tar.h"
#include "tracer/syscall.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK (1u << 16)
/* What the loader is called in the archive: the script starts it. */
#define LOADER "lib/ld.so"

/* ---- the sum ---- */

static uint32_t crc_of(uint32_t crc, uint8_t byte) {
    crc ^= (uint32_t)byte << 24;
    for (int i = 0; i < 8; i++)
        crc = crc << 1 ^ (crc >> 31 ? 0x04c11db7 : 0);
    return crc;
}

void script_sum_add(struct script_sum *sum, const void *bytes, size_t size) {
    static uint32_t table[256];
    const uint8_t *at = bytes;
    if (!table[1])
        for (unsigned i = 0; i < 256; i++)
            table[i] = crc_of(0, (uint8_t)i);
    for (size_t i = 0; i < size; i++)
        sum->crc = sum->crc << 8 ^ table[(sum->crc >> 24 ^ at[i]) & 0xff];
    sum->size += size;
}

/* The length follows, its lowest byte first. */
uint32_t script_sum_end(const struct script_sum *sum) {
    uint32_t crc = sum->crc;
    for (uint64_t size = sum->size; size; size >>= 8)
        crc = crc_of(crc, (uint8_t)size);
    return ~crc;
}

/* ---- the archive ---- */

static struct error *put(struct tar_writer *tar, const char *path, const char *name, unsigned mode) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_system(errno, "%s", path);
    struct error *err = tar_writer_file(tar, fd, name, mode, NULL);
    close(fd);
    return err;
}

struct libraries {
    struct tar_writer *tar;
    bool has_loader;
    struct error *err;
};

/* By the names by which they were asked for: their sonames. */
static int put_library(struct dl_phdr_info *info, size_t size, void *context) {
    struct libraries *libraries = context;
    const char *slash = strrchr(info->dlpi_name, '/');
    char name[TAR_NAME_MOST];
    (void)size;
    if (!slash) /* reel itself, and the kernel's own */
        return 0;
    bool is_loader = !strncmp(slash + 1, "ld-linux", 8) || !strncmp(slash + 1, "ld.so", 5);
    snprintf(name, sizeof(name), "%s%.200s", is_loader ? LOADER : "lib/", is_loader ? "" : slash + 1);
    libraries->has_loader |= is_loader;
    libraries->err = put(libraries->tar, info->dlpi_name, name, 0700);
    return libraries->err != NULL;
}

/* What this reel has loaded. */
static struct error *put_libraries(struct tar_writer *tar) {
    struct libraries libraries = {.tar = tar};
    dl_iterate_phdr(put_library, &libraries);
    if (!libraries.err && !libraries.has_loader)
        return error_new(ERROR_UNSUPPORTED, "reel's own loader is not found");
    return libraries.err;
}

static struct error *write_archive(int fd, const char *what, const char *pack) {
    struct tar_writer *tar;
    TRY(tar_writer_create(fd, what, TAR_GZIP, &tar));
    struct error *err = put(tar, "/proc/self/exe", "reel", 0700);
    if (!err)
        err = put_libraries(tar);
    if (!err)
        err = put(tar, pack, "recording.tar.zst", 0600);
    if (!err)
        err = tar_writer_finish(tar);
    tar_writer_destroy(tar);
    return err;
}

/* ---- the script ---- */

/* For a comment: one line of what can be printed. */
static void put_text(FILE *file, const char *text, size_t most) {
    for (size_t i = 0; text && text[i] && i < most; i++)
        fputc((unsigned char)text[i] < ' ' || (unsigned char)text[i] > '~' ? '?' : text[i], file);
}

static void put_command(FILE *file, char *const *argv) {
    enum { WORD_MOST = 60, MOST = 8 };
    for (unsigned i = 0; argv && argv[i]; i++) {
        if (i == MOST) {
            fputs(" ...", file);
            return;
        }
        fputs(i ? " " : "", file);
        put_text(file, argv[i], WORD_MOST);
    }
}

static void put_end(FILE *file, const struct recording_info *info) {
    if (info->end == END_EXITED)
        fprintf(file, "exited with status %d", info->status);
    else if (info->end == END_SIGNALED)
        fprintf(file, "was killed by %s", signal_name(info->status));
    else
        fputs(info->end == END_STOPPED ? "ran on when its recording ended"
                                       : "was being recorded when reel was killed",
              file);
}

static const char body[] =
    "#\n"
    "#     sh %s                        replay it, as it was\n"
    "#     sh %s --replay [OPTION...]   ... with options of reel-replay(1)\n"
    "#     sh %s --trace [OPTION...]    its calls, variables and branches, to trace.json: reel-trace(1)\n"
    "#     sh %s --summary              what it called most, and for how long\n"
    "#     sh %s --debug [GDB-ARGUMENT...]   gdb on it, backwards, too (needs gdb)\n"
    "#     sh %s --ps, --dump           its processes, its system calls\n"
    "#     sh %s --extract FILE         the recording, as reel-pack(1) makes it\n"
    "#\n"
    "# It needs Linux on x86-64, sh, tail, tar, gzip and mktemp, and nothing else; it unpacks itself "
    "to a folder\n"
    "# below TMPDIR, or /tmp, for the time being. It holds what the program read, and its environment.\n"
    "\n"
    "set -u\n"
    "die() {\n"
    "    echo \"reel: $0: $*\" >&2\n"
    "    exit 125\n"
    "}\n"
    "run() {\n"
    "    \"$folder/" LOADER "\" --library-path \"$folder/lib\" \"$folder/reel\" \"$@\"\n"
    "}\n"
    "case ${1:-} in\n"
    "'' | --replay | --trace | --summary | --debug | --ps | --dump | --extract) ;;\n"
    "-h | --help)\n"
    "    sed -n '2,/^$/s/^# \\{0,1\\}//p' \"$0\"\n"
    "    exit 0\n"
    "    ;;\n"
    "*) die \"$1: no such option (--help lists them)\" ;;\n"
    "esac\n"
    "[ \"${1:-}\" != --extract ] || [ $# = 2 ] || die \"--extract: it takes the name of a file\"\n"
    "[ \"${1:-}\" != --extract ] || [ ! -e \"$2\" ] || die \"$2: it is there already\"\n"
    "folder=$(mktemp -d \"${TMPDIR:-/tmp}/reel-XXXXXX\") || die \"no folder to unpack to (set TMPDIR)\"\n"
    "trap 'rm -rf \"$folder\"' EXIT\n"
    "trap 'exit 129' HUP\n"
    "trap 'exit 130' INT\n"
    "trap 'exit 143' TERM\n"
    "tail -n +\"$line\" \"$0\" >\"$folder/archive\" || die \"it cannot be unpacked to ${TMPDIR:-/tmp} (set "
    "TMPDIR)\"\n"
    "! command -v cksum >/dev/null || [ \"$(cksum <\"$folder/archive\")\" = \"$sum\" ] ||\n"
    "    die \"it is damaged (get it again, as a binary file)\"\n"
    "tar -xzf \"$folder/archive\" -C \"$folder\" || die \"it cannot be unpacked to ${TMPDIR:-/tmp} (set "
    "TMPDIR)\"\n"
    "rm -f \"$folder/archive\"\n"
    "run --version >/dev/null 2>&1 || die \"nothing can be executed in ${TMPDIR:-/tmp} (set TMPDIR)\"\n"
    "recording=$folder/recording.tar.zst\n"
    "case ${1:-} in\n"
    "'') run replay \"$recording\" ;;\n"
    "--summary)\n"
    "    run trace --quiet --level minimal --output \"$folder/trace.json\" \"$recording\" >/dev/null\n"
    "    run summary \"$folder/trace.json\"\n"
    "    ;;\n"
    "--debug)\n"
    "    shift\n"
    "    run debug \"$recording\" -- \"$@\"\n"
    "    ;;\n"
    "--extract) cp \"$recording\" \"$2\" ;;\n"
    "*)\n"
    "    verb=${1#--}\n"
    "    shift\n"
    "    run \"$verb\" \"$@\" \"$recording\"\n"
    "    ;;\n"
    "esac\n"
    "exit $?\n";

/* Lines in front of the archive: these, the comment above the body, and two that the script sets. */
static unsigned lines_of(const char *text) {
    unsigned lines = 0;
    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

static void put_script(FILE *file, const struct recording_info *info, const char *name,
                       const struct script_sum *sum) {
    enum { ABOVE = 6 };
    fputs("#!/bin/sh\n# A recording of\n#     ", file);
    put_command(file, info->argv);
    fputs("\n# made by reel " REEL_VERSION " on ", file);
    put_text(file, info->host, 60);
    fputs("; it ", file);
    put_end(file, info);
    fprintf(file, ".\nline=%u\nsum='%" PRIu32 " %" PRIu64 "'\n", ABOVE + lines_of(body) + 1,
            script_sum_end(sum), sum->size);
    fprintf(file, body, name, name, name, name, name, name, name);
}

/* ---- all of it ---- */

static struct error *copy_all(int from, FILE *to, struct script_sum *ret, const char *what) {
    uint8_t block[BLOCK];
    ssize_t got;
    for (off_t at = 0; (got = pread(from, block, sizeof(block), at)) > 0; at += got) {
        if (ret)
            script_sum_add(ret, block, (size_t)got);
        if (to && fwrite(block, 1, (size_t)got, to) != (size_t)got)
            return error_system(errno, "%s", what);
    }
    return got < 0 ? error_system(errno, "%s", what) : NULL;
}

static struct error *write_script(const char *path, const char *name, int archive, FILE *file,
                                  const char *to) {
    struct script_sum sum = {0};
    struct recording recording;
    struct recording_info info;
    TRY(recording_open(path, &recording, &info));
    struct error *err = copy_all(archive, NULL, &sum, to);
    if (!err) {
        put_script(file, &info, name, &sum);
        err = copy_all(archive, file, NULL, to);
    }
    recording_info_deinit(&info);
    recording_deinit(&recording);
    if (!err && (fflush(file) || fsync(fileno(file)) || fchmod(fileno(file), 0700)))
        err = error_system(errno, "%s", to);
    return err;
}

/* temporary: names of files that are there for the time being. */
static struct error *write_all(const char *path, const char *to, char *const temporary[3],
                               uint64_t *ret_size) {
    struct pack_totals totals;
    struct stat info;
    const char *slash = strrchr(to, '/');
    TRY(pack_write(path, temporary[0], &totals));
    int archive = open(temporary[1], O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (archive < 0)
        return error_system(errno, "%s", temporary[1]);
    struct error *err = write_archive(archive, to, temporary[0]);
    int fd = err ? -1 : open(temporary[2], O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (!err && !file)
        err = error_system(errno, "%s", temporary[2]);
    if (!err)
        err = write_script(path, slash ? slash + 1 : to, archive, file, to);
    if (file && fclose(file) && !err)
        err = error_system(errno, "%s", to);
    close(archive);
    if (!err && rename(temporary[2], to))
        err = error_system(errno, "%s", to);
    if (!err && !stat(to, &info))
        *ret_size = (uint64_t)info.st_size;
    return err;
}

/* The name stands in the script, which shells read. */
static bool is_plain_name(const char *to) {
    const char *slash = strrchr(to, '/');
    for (const char *at = slash ? slash + 1 : to; *at; at++)
        if ((unsigned char)*at <= ' ' || (unsigned char)*at > '~' || *at == '%')
            return false;
    return true;
}

struct error *script_write(const char *path, const char *to, uint64_t *ret_size) {
    static const char *const parts[3] = {"pack", "archive", "new"};
    char *temporary[3] = {0};
    struct error *err = NULL;
    if (access(to, F_OK) == 0)
        return error_hint(error_new(ERROR_USAGE, "%s: it is there already", to), "name another file with -o");
    if (!is_plain_name(to))
        return error_new(ERROR_USAGE, "%s: a name without blanks, please: it stands in the script's own help",
                         to);
    for (size_t i = 0; i < 3; i++)
        if (asprintf(&temporary[i], "%s.%d.%s", to, (int)getpid(), parts[i]) < 0) {
            temporary[i] = NULL;
            err = &error_no_memory;
        }
    if (!err)
        err = write_all(path, to, temporary, ret_size);
    for (size_t i = 0; i < 3; i++) {
        if (temporary[i])
            unlink(temporary[i]);
        free(temporary[i]);
    }
    return err;
}
