/* crash_core: an ELF core file, as the kernel writes them (fs/binfmt_elf.c; core(5); gABI, "Note Section").
 *
 * What is in it is decided as there: by /proc/PID/coredump_filter, and never what MADV_DONTDUMP or a device
 * says is not to be read. The file is sparse: pages that the process has never touched, and pages of zeros,
 * are holes. When it would take more than the limit, whole mappings are left out (their size in the file is
 * 0, so that nobody takes the holes for zeros): first the stacks of the threads are kept, then what is
 * written to by programs and libraries and the heap, then the small ones. */
#include "tracer/crash_state.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/procfs.h>
#include <unistd.h>

#define PAGE 4096u

enum { CHUNK_PAGES = 512 };

/* Bits of coredump_filter. */
enum {
    FILTER_ANON_PRIVATE = 1,
    FILTER_ANON_SHARED = 2,
    FILTER_FILE_PRIVATE = 4,
    FILTER_FILE_SHARED = 8,
    FILTER_ELF_HEADERS = 16,
    FILTER_DEFAULT = 0x33,
};

struct segment {
    const struct mapping *mapping;
    uint64_t offset, size; /* in the file */
    uint64_t estimate;     /* bytes that it will take on disk at most */
    unsigned rank;         /* which are kept first */
    bool by_page;          /* untouched pages are zeros */
    bool forbidden;        /* MADV_DONTDUMP, a device */
};

struct core {
    const struct crash *crash;
    int fd;
    unsigned filter;
    struct segment *segments;
    size_t count;
    struct buffer notes;
    uint64_t written, left_out;
    uint8_t *chunk;
    bool *own;
};

/* ---- what is dumped ---- */

static unsigned read_filter(const struct crash *crash) {
    char path[64];
    unsigned filter = FILTER_DEFAULT;
    snprintf(path, sizeof(path), "/proc/%d/coredump_filter", crash->event->task->tid);
    FILE *file = fopen(path, "re");
    if (file && fscanf(file, "%x", &filter) != 1)
        filter = FILTER_DEFAULT;
    if (file)
        fclose(file);
    return filter;
}

/* VmFlags of /proc/PID/smaps: "dd" MADV_DONTDUMP, "io" a device's memory, "pf" one without pages. */
static void find_forbidden(struct core *core) {
    char path[64], *line = NULL;
    size_t room = 0, at = 0;
    uint64_t start, end;
    snprintf(path, sizeof(path), "/proc/%d/smaps", core->crash->event->task->tid);
    FILE *file = fopen(path, "re");
    while (file && getline(&line, &room, file) > 0) {
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &start, &end) == 2) {
            while (at < core->count && core->segments[at].mapping->start < start)
                at++;
        } else if (strncmp(line, "VmFlags:", 8) == 0 && at < core->count)
            core->segments[at].forbidden = strstr(line, " dd") || strstr(line, " io") || strstr(line, " pf");
    }
    free(line);
    if (file)
        fclose(file);
}

static bool ends_with(const char *text, const char *tail) {
    size_t size = strlen(text), length = strlen(tail);
    return size >= length && strcmp(text + size - length, tail) == 0;
}

static bool has_elf_header(const struct core *core, const struct mapping *mapping) {
    char magic[SELFMAG];
    return mapping->offset == 0 && mapping->protection & PROT_READ &&
           memory_read_exact(&core->crash->reader, mapping->start, magic, sizeof(magic)) &&
           memcmp(magic, ELFMAG, SELFMAG) == 0;
}

/* How many pages of a mapping are the process's own; of a private one. */
static uint64_t count_own(struct core *core, const struct mapping *mapping) {
    uint64_t own = 0;
    for (uint64_t at = mapping->start; at < mapping->end; at += (uint64_t)CHUNK_PAGES * PAGE) {
        size_t count = (size_t)((mapping->end - at) / PAGE);
        if (count > CHUNK_PAGES)
            count = CHUNK_PAGES;
        struct error *err = maps_own_pages(core->crash->event->task->tid, at, count, core->own);
        for (size_t i = 0; !err && i < count; i++)
            own += core->own[i];
        error_free(err);
    }
    return own;
}

static bool holds_stack(const struct core *core, const struct mapping *mapping) {
    for (size_t i = 0; i < core->crash->thread_count; i++) {
        uint64_t rsp = core->crash->threads[i].regs.rsp;
        if (core->crash->threads[i].has_registers && rsp >= mapping->start && rsp < mapping->end)
            return true;
    }
    return false;
}

static void choose_file(struct core *core, struct segment *segment) {
    const struct mapping *mapping = segment->mapping;
    uint64_t size = mapping->end - mapping->start;
    bool wanted;
    if (mapping->shared)
        wanted =
            core->filter & (ends_with(mapping->name, " (deleted)") ? FILTER_ANON_SHARED : FILTER_FILE_SHARED);
    else
        wanted = core->filter & FILTER_FILE_PRIVATE ||
                 (core->filter & FILTER_ANON_PRIVATE && count_own(core, mapping));
    if (wanted)
        segment->size = size;
    else if (core->filter & FILTER_ELF_HEADERS && has_elf_header(core, mapping))
        segment->size = PAGE;
    segment->estimate = segment->size;
    segment->rank = segment->size <= 64 * PAGE ? 1 : 3;
}

static void choose_anonymous(struct core *core, struct segment *segment) {
    const struct mapping *mapping = segment->mapping;
    if (!(core->filter & (mapping->shared ? FILTER_ANON_SHARED : FILTER_ANON_PRIVATE)))
        return;
    segment->by_page = !mapping->shared;
    segment->size = mapping->end - mapping->start;
    segment->estimate = mapping->shared ? segment->size : count_own(core, mapping) * PAGE;
    if (!segment->estimate && !(mapping->protection & PROT_READ)) /* a guard: nothing to be seen there */
        segment->size = 0;
    segment->rank = strcmp(mapping->name, "[heap]") == 0 ? 2 : 3;
}

static void choose(struct core *core, struct segment *segment) {
    const struct mapping *mapping = segment->mapping;
    if (strcmp(mapping->name, "[vdso]") == 0) {
        segment->estimate = segment->size = mapping->end - mapping->start;
        return;
    }
    if (segment->forbidden || mapping_is_kernel_data(mapping))
        return;
    if (mapping->inode)
        choose_file(core, segment);
    else
        choose_anonymous(core, segment);
    if (holds_stack(core, mapping))
        segment->rank = 0;
}

static int compare_segments(const void *a, const void *b) {
    const struct segment *x = *(const struct segment *const *)a, *y = *(const struct segment *const *)b;
    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    return x->estimate < y->estimate ? -1 : x->estimate > y->estimate;
}

/* Leave out what does not fit. */
static struct error *fit(struct core *core) {
    uint64_t most = core->crash->options->core_max, taken = 0;
    struct segment **order = malloc((core->count + 1) * sizeof(struct segment *));
    if (!order)
        return &error_no_memory;
    for (size_t i = 0; i < core->count; i++)
        order[i] = &core->segments[i];
    qsort(order, core->count, sizeof(struct segment *), compare_segments);
    for (size_t i = 0; i < core->count; i++) {
        if (most && order[i]->estimate > most - taken) {
            core->left_out += order[i]->estimate;
            order[i]->size = order[i]->estimate = 0;
        }
        taken += order[i]->estimate;
    }
    free(order);
    return NULL;
}

static struct error *choose_segments(struct core *core) {
    const struct maps *maps = &core->crash->maps;
    core->segments = calloc(maps->count + 1, sizeof(*core->segments));
    if (!core->segments)
        return &error_no_memory;
    for (size_t i = 0; i < maps->count; i++)
        core->segments[core->count++].mapping = &maps->mappings[i];
    find_forbidden(core);
    for (size_t i = 0; i < core->count; i++)
        choose(core, &core->segments[i]);
    return fit(core);
}

/* ---- notes ---- */

static void put_padding(struct buffer *notes) {
    while (notes->size % 4 && !notes->failed)
        buffer_put_u8(notes, 0);
}

static void put_note(struct buffer *notes, const char *name, uint32_t type, const void *bytes, size_t size) {
    buffer_put_u32(notes, (uint32_t)strlen(name) + 1);
    buffer_put_u32(notes, (uint32_t)size);
    buffer_put_u32(notes, type);
    buffer_put(notes, name, strlen(name) + 1);
    put_padding(notes);
    buffer_put(notes, bytes, size);
    put_padding(notes);
}

static void put_status(struct core *core, const struct crash_thread *thread, bool crashed) {
    const struct crash_event *event = core->crash->event;
    struct elf_prstatus status = {.pr_pid = thread->tid, .pr_ppid = core->crash->facts.ppid, .pr_fpvalid = 1};
    uint64_t mask = 0;
    if (crashed) {
        status.pr_cursig = (short)event->info.si_signo;
        status.pr_info.si_signo = event->info.si_signo;
        status.pr_info.si_code = event->info.si_code;
    }
    error_free(trace_get_sigmask(thread->tid, &mask));
    status.pr_sighold = mask;
    status.pr_pgrp = getpgid(event->pid);
    status.pr_sid = getsid(event->pid);
    memcpy(&status.pr_reg, &thread->regs, sizeof(status.pr_reg));
    put_note(&core->notes, "CORE", NT_PRSTATUS, &status, sizeof(status));
}

static void put_psinfo(struct core *core) {
    const struct crash_facts *facts = &core->crash->facts;
    struct elf_prpsinfo info = {
        .pr_sname = 'R', .pr_uid = facts->uid, .pr_pid = core->crash->event->pid, .pr_ppid = facts->ppid};
    size_t at = 0;
    memcpy(info.pr_fname, facts->name, strnlen(facts->name, sizeof(info.pr_fname)));
    for (size_t i = 0; i < facts->arguments.count && at + 1 < sizeof(info.pr_psargs); i++)
        at += (size_t)snprintf(info.pr_psargs + at, sizeof(info.pr_psargs) - at, "%s%s", i ? " " : "",
                               facts->arguments.items[i]);
    put_note(&core->notes, "CORE", NT_PRPSINFO, &info, sizeof(info));
}

static void put_auxv(struct core *core) {
    char path[64];
    uint8_t bytes[4096];
    snprintf(path, sizeof(path), "/proc/%d/auxv", core->crash->event->task->tid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd >= 0 ? read(fd, bytes, sizeof(bytes)) : -1;
    if (fd >= 0)
        close(fd);
    if (size > 0)
        put_note(&core->notes, "CORE", NT_AUXV, bytes, (size_t)size);
}

/* Which files are mapped where: count, page size, for each start, end, offset in pages; then the names. */
static void put_files(struct core *core) {
    struct buffer note = {0};
    uint64_t count = 0;
    for (size_t i = 0; i < core->count; i++)
        count += core->segments[i].mapping->inode != 0;
    buffer_put_u64(&note, count);
    buffer_put_u64(&note, PAGE);
    for (size_t i = 0; i < core->count; i++) {
        const struct mapping *mapping = core->segments[i].mapping;
        if (!mapping->inode)
            continue;
        buffer_put_u64(&note, mapping->start);
        buffer_put_u64(&note, mapping->end);
        buffer_put_u64(&note, mapping->offset / PAGE);
    }
    for (size_t i = 0; i < core->count; i++)
        if (core->segments[i].mapping->inode)
            buffer_put(&note, core->segments[i].mapping->name, strlen(core->segments[i].mapping->name) + 1);
    core->notes.failed |= note.failed;
    put_note(&core->notes, "CORE", NT_FILE, note.data, note.size);
    buffer_deinit(&note);
}

static void put_float(struct core *core, const struct crash_thread *thread) {
    uint8_t room[XSTATE_MAX];
    const uint8_t *xstate = thread->xstate;
    size_t size = thread->xstate_size;
    if (!xstate) {
        struct error *err = trace_get_xstate(thread->tid, room, &size);
        if (err) {
            error_free(err);
            return;
        }
        xstate = room;
    }
    if (size < sizeof(struct user_fpregs_struct))
        return;
    put_note(&core->notes, "CORE", NT_FPREGSET, xstate, sizeof(struct user_fpregs_struct));
    put_note(&core->notes, "LINUX", NT_X86_XSTATE, xstate, size);
}

static void put_notes(struct core *core) {
    const struct crash *crash = core->crash;
    for (size_t i = 0; i < crash->thread_count; i++) {
        if (!crash->threads[i].has_registers)
            continue;
        put_status(core, &crash->threads[i], i == 0);
        if (i == 0) {
            put_psinfo(core);
            put_note(&core->notes, "CORE", NT_SIGINFO, &crash->event->info, sizeof(crash->event->info));
            put_auxv(core);
            put_files(core);
        }
        put_float(core, &crash->threads[i]);
    }
}

/* ---- the file ---- */

static struct error *write_at(struct core *core, const void *bytes, size_t size, uint64_t offset) {
    for (size_t done = 0; done < size;) {
        ssize_t put = pwrite(core->fd, (const char *)bytes + done, size - done, (off_t)(offset + done));
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return error_system(put < 0 ? errno : EIO, "core");
        done += (size_t)put;
    }
    core->written += size;
    return NULL;
}

static bool is_zero(const uint8_t *page) {
    const uint64_t *words = (const uint64_t *)(const void *)page;
    for (size_t i = 0; i < PAGE / 8; i++)
        if (words[i])
            return false;
    return true;
}

/* Read wanted pages, of which some may not be readable: those are holes. */
static void read_pages(struct core *core, uint64_t address, size_t count) {
    struct task *task = core->crash->event->task;
    memset(core->chunk, 0, count * PAGE);
    for (size_t at = 0; at < count;) {
        size_t run = 0;
        while (at + run < count && core->own[at + run])
            run++;
        if (!run) {
            at++;
            continue;
        }
        size_t got = task_read(task, address + at * PAGE, core->chunk + at * PAGE, run * PAGE) / PAGE;
        if (got < run)
            memset(core->chunk + (at + got) * PAGE, 0, PAGE);
        at += got < run ? got + 1 : run;
    }
}

static struct error *write_pages(struct core *core, uint64_t offset, size_t count) {
    for (size_t at = 0; at < count;) {
        size_t run = 0;
        while (at + run < count && !is_zero(core->chunk + (at + run) * PAGE))
            run++;
        if (run)
            TRY(write_at(core, core->chunk + at * PAGE, run * PAGE, offset + at * PAGE));
        at += run ? run : 1;
    }
    return NULL;
}

static struct error *write_segment(struct core *core, const struct segment *segment) {
    uint64_t start = segment->mapping->start;
    for (uint64_t done = 0; done < segment->size; done += (uint64_t)CHUNK_PAGES * PAGE) {
        uint64_t left = (segment->size - done) / PAGE;
        size_t count = left < CHUNK_PAGES ? (size_t)left : CHUNK_PAGES;
        struct error *err =
            segment->by_page ? maps_own_pages(core->crash->event->task->tid, start + done, count, core->own)
                             : NULL;
        if (!segment->by_page || err)
            memset(core->own, true, count * sizeof(*core->own));
        error_free(err);
        read_pages(core, start + done, count);
        TRY(write_pages(core, segment->offset + done, count));
    }
    return NULL;
}

static Elf64_Phdr header_of(const struct segment *segment) {
    const struct mapping *mapping = segment->mapping;
    return (Elf64_Phdr){.p_type = PT_LOAD,
                        .p_flags = (mapping->protection & PROT_READ ? PF_R : 0) |
                                   (mapping->protection & PROT_WRITE ? PF_W : 0) |
                                   (mapping->protection & PROT_EXEC ? PF_X : 0),
                        .p_offset = segment->offset,
                        .p_vaddr = mapping->start,
                        .p_filesz = segment->size,
                        .p_memsz = mapping->end - mapping->start,
                        .p_align = PAGE};
}

/* With more segments than e_phnum holds the number is in the first section header. */
static struct error *write_headers(struct core *core, uint64_t notes_at, uint64_t sections_at) {
    size_t count = core->count + 1;
    bool many = count >= PN_XNUM;
    struct buffer text = {0};
    const Elf64_Ehdr header = {
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_CORE,
        .e_machine = EM_X86_64,
        .e_version = EV_CURRENT,
        .e_phoff = sizeof(Elf64_Ehdr),
        .e_ehsize = sizeof(Elf64_Ehdr),
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = (uint16_t)(many ? PN_XNUM : count),
        .e_shoff = many ? sections_at : 0,
        .e_shnum = many,
        .e_shentsize = sizeof(Elf64_Shdr)};
    const Elf64_Phdr notes = {
        .p_type = PT_NOTE, .p_offset = notes_at, .p_filesz = core->notes.size, .p_align = 4};
    buffer_put(&text, &header, sizeof(header));
    buffer_put(&text, &notes, sizeof(notes));
    for (size_t i = 0; i < core->count; i++) {
        const Elf64_Phdr load = header_of(&core->segments[i]);
        buffer_put(&text, &load, sizeof(load));
    }
    if (many) {
        const Elf64_Shdr section = {.sh_info = (uint32_t)count, .sh_size = 1};
        buffer_put(&text, &section, sizeof(section));
    }
    struct error *err = buffer_check(&text);
    if (!err)
        err = write_at(core, text.data, text.size, 0);
    buffer_deinit(&text);
    return err;
}

static struct error *write_core(struct core *core) {
    TRY(choose_segments(core));
    put_notes(core);
    TRY(buffer_check(&core->notes));
    uint64_t sections_at = sizeof(Elf64_Ehdr) + (core->count + 1) * sizeof(Elf64_Phdr);
    uint64_t notes_at = sections_at + sizeof(Elf64_Shdr);
    uint64_t offset = (notes_at + core->notes.size + PAGE - 1) & ~(uint64_t)(PAGE - 1);
    for (size_t i = 0; i < core->count; i++) {
        core->segments[i].offset = offset;
        offset += core->segments[i].size;
    }
    TRY(write_headers(core, notes_at, sections_at));
    TRY(write_at(core, core->notes.data, core->notes.size, notes_at));
    for (size_t i = 0; i < core->count; i++)
        TRY(write_segment(core, &core->segments[i]));
    return ftruncate(core->fd, (off_t)offset) < 0 ? error_system(errno, "core") : NULL;
}

struct error *crash_core(const struct crash *crash, int fd, uint64_t *ret_size, uint64_t *ret_left_out) {
    struct core core = {.crash = crash, .fd = fd, .filter = read_filter(crash)};
    core.chunk = malloc((size_t)CHUNK_PAGES * PAGE);
    core.own = malloc(CHUNK_PAGES * sizeof(*core.own));
    struct error *err = core.chunk && core.own ? write_core(&core) : &error_no_memory;
    if (!err) {
        *ret_size = core.written;
        *ret_left_out = core.left_out;
    }
    free(core.chunk);
    free(core.own);
    free(core.segments);
    buffer_deinit(&core.notes);
    return err;
}
