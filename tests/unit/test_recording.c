/* recording: the directory, and recording.json, which holds any bytes and notices every change. */
#include "replay/cpu_features.h"
#include "replay/recording.h"
#include "tests/unit/scratch.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/resource.h>
#include <xxhash.h>

static struct scratch scratch;

static void setup(void) {
    scratch = scratch_create();
}

static void teardown(void) {
    scratch_remove(&scratch);
}

static char **list(size_t count, const char *const *texts) {
    char **ret = calloc(count + 1, sizeof(*ret));
    for (size_t i = 0; i < count; i++)
        ret[i] = strdup(texts[i]);
    return ret;
}

/* An info with every field set, and strings of all bytes there are. */
static struct recording_info make_info(void) {
    static char all[256];
    for (size_t i = 0; i < 255; i++)
        all[i] = (char)(i + 1);
    const char *const argv[] = {"./shop", "", "--flag=\"x\\y\"", all, "caf\xc3\xa9", "caf\xe9",
                                /* overlong, surrogate, beyond Unicode, cut, stray */
                                "\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xed\xa0\x80",
                                "\xf4\x90\x80\x80", "x\xe2\x82", "\x80", "\xff\xfe", "\xf0\x9f\x98\x80",
                                "\t\n\r\b\f\x1b[0m\x7f", "checksum", "\"checksum\":\t\"0123456789abcdef\""};
    const char *const env[] = {"PATH=/bin", "LANG=C", "BYTES=\xfe\xfe"};
    struct recording_info info = {0};
    CHECK_OK(recording_info_from_host(&info));
    info.state = RECORDING_COMPLETE;
    info.argv = list(sizeof(argv) / sizeof(*argv), argv);
    info.env = list(3, env);
    info.program = strdup("/tmp/\xff/shop");
    info.pid = 4711;
    info.ended = (struct timespec){.tv_sec = info.started.tv_sec + 86400 * 366, .tv_nsec = 999999000};
    info.end = END_STOPPED;
    info.status = -3;
    info.why = strdup("the disk is full");
    info.segments = UINT32_MAX;
    info.events = UINT64_C(999999999999999);
    info.check_memory = true;
    for (uint32_t i = 3; i-- > 0;) { /* they come in any order */
        struct recording_process process = {.domain = 2 * i + 1,
                                            .pid = (int32_t)(100 + i),
                                            .ppid = 99,
                                            .start = (enum process_start)i,
                                            .origin_domain = i,
                                            .origin_event = i * 1000,
                                            .program = strdup("/bin/\xff"),
                                            .argv = list(i + 1, argv),
                                            .started = info.started,
                                            .ended = info.ended,
                                            .end = i ? END_SIGNALED : END_UNKNOWN,
                                            .status = (int32_t)i,
                                            .core = i == 1,
                                            .stopped = i == 2 ? strdup("why \xfe") : NULL,
                                            .segments = i,
                                            .events = i * 77};
        CHECK_OK(recording_processes_add(&info.processes, &process));
    }
    return info;
}

static void same_list(char **a, char **b) {
    for (; *a && *b; a++, b++)
        ck_assert_str_eq(*a, *b);
    ck_assert(!*a && !*b);
}

static void same_info(const struct recording_info *a, const struct recording_info *b) {
    ck_assert(a->state == b->state && a->format_version == b->format_version && a->features == b->features);
    ck_assert_str_eq(a->reel_version, b->reel_version);
    ck_assert_str_eq(a->host, b->host);
    ck_assert_str_eq(a->kernel, b->kernel);
    ck_assert_str_eq(a->cpu, b->cpu);
    ck_assert_str_eq(a->cwd, b->cwd);
    ck_assert_str_eq(a->program, b->program);
    ck_assert_pstr_eq(a->why, b->why);
    same_list(a->argv, b->argv);
    same_list(a->env, b->env);
    same_list(a->cpu_features, b->cpu_features);
    ck_assert(a->pid == b->pid && a->uid == b->uid && a->end == b->end && a->status == b->status);
    ck_assert(a->started.tv_sec == b->started.tv_sec && a->started.tv_nsec == b->started.tv_nsec);
    ck_assert(a->ended.tv_sec == b->ended.tv_sec && a->ended.tv_nsec == b->ended.tv_nsec);
    ck_assert(a->segments == b->segments && a->events == b->events && a->check_memory == b->check_memory);
    ck_assert_uint_eq(a->processes.count, b->processes.count);
    for (size_t i = 0; i < a->processes.count; i++) {
        const struct recording_process *x = &a->processes.list[i], *y = &b->processes.list[i];
        ck_assert_uint_eq(x->domain, 2 * i + 1);
        ck_assert(x->domain == y->domain && x->pid == y->pid && x->ppid == y->ppid && x->start == y->start);
        ck_assert(x->origin_domain == y->origin_domain && x->origin_event == y->origin_event);
        ck_assert_str_eq(x->program, y->program);
        same_list(x->argv, y->argv);
        ck_assert(x->end == y->end && x->status == y->status && x->core == y->core);
        ck_assert_pstr_eq(x->stopped, y->stopped);
        ck_assert(x->segments == y->segments && x->events == y->events);
    }
}

static struct error *parse(const struct buffer *text) {
    struct recording_info info = {0};
    struct error *err = recording_info_parse(text->data, text->size, "it", &info);
    recording_info_deinit(&info);
    return err;
}

START_TEST(test_text_round_trip) {
    struct recording_info info = make_info(), found;
    struct buffer text = {0}, again = {0};
    CHECK_OK(recording_info_format(&info, &text));
    CHECK_OK(recording_info_parse(text.data, text.size, "it", &found));
    same_info(&info, &found);
    /* All that is not UTF-8 is in base64: other readers of JSON would choke on it. */
    size_t escaped = 0;
    buffer_put_u8(&text, 0);
    for (const char *at = (char *)text.data; (at = strstr(at, "\"base64\"")); at++)
        escaped++;
    ck_assert_uint_eq(escaped, 16);
    text.size--;
    CHECK_OK(recording_info_format(&found, &again));
    ck_assert_uint_eq(text.size, again.size);
    ck_assert_mem_eq(text.data, again.data, text.size);
    recording_info_deinit(&info);
    recording_info_deinit(&found);
    buffer_deinit(&text);
    buffer_deinit(&again);
}
END_TEST

/* Every way to end, and what a recorder writes at its start. */
START_TEST(test_ends) {
    for (enum recording_end end = END_UNKNOWN; end <= END_STOPPED; end++) {
        struct recording_info info = make_info(), found;
        struct buffer text = {0};
        free(info.why);
        info.why = NULL;
        info.end = end;
        info.status = end == END_UNKNOWN ? 0 : (int32_t)end * 3;
        info.state = end == END_UNKNOWN ? RECORDING_RUNNING : RECORDING_COMPLETE;
        if (end == END_UNKNOWN)
            info.ended = (struct timespec){0};
        CHECK_OK(recording_info_format(&info, &text));
        buffer_put_u8(&text, 0);
        ck_assert((strstr((char *)text.data, "\"end\":\tnull") != NULL) == (end == END_UNKNOWN));
        ck_assert((strstr((char *)text.data, "\"ended\":\tnull") != NULL) == (end == END_UNKNOWN));
        CHECK_OK(recording_info_parse(text.data, text.size - 1, "it", &found));
        same_info(&info, &found);
        recording_info_deinit(&info);
        recording_info_deinit(&found);
        buffer_deinit(&text);
    }
}
END_TEST

START_TEST(test_null_strings) {
    struct recording_info info = {.format_version = RECORDING_FORMAT_VERSION}, found;
    struct buffer text = {0};
    CHECK_OK(recording_info_format(&info, &text));
    CHECK_OK(recording_info_parse(text.data, text.size, "it", &found));
    ck_assert_str_eq(found.program, "");
    ck_assert_ptr_nonnull(found.argv);
    ck_assert_ptr_null(found.argv[0]);
    ck_assert_ptr_null(found.why);
    recording_info_deinit(&found);
    buffer_deinit(&text);
}
END_TEST

static void small_text(struct buffer *ret) {
    struct recording_info info = make_info();
    info.argv[4] = (free(info.argv[4]), NULL);
    for (char **rest = info.argv + 5; *rest; rest++)
        free(*rest);
    CHECK_OK(recording_info_format(&info, ret));
    recording_info_deinit(&info);
}

START_TEST(test_every_flip_is_seen) {
    struct buffer text = {0};
    small_text(&text);
    size_t newer = 0;
    for (size_t bit = 0; bit < text.size * 8; bit++) {
        text.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        struct error *err = parse(&text);
        text.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (!err)
            ck_abort_msg("bit %zu of byte %zu", bit % 8, bit / 8);
        newer += err->code == ERROR_UNSUPPORTED;
        if (err->code != ERROR_UNSUPPORTED && err->code != ERROR_BAD_DATA)
            ck_abort_msg("%s", err->message);
        error_free(err);
    }
    /* Only a digit of the version may look like a newer one. */
    ck_assert_uint_le(newer, 8);
    buffer_deinit(&text);
}
END_TEST

START_TEST(test_every_truncation) {
    struct buffer text = {0};
    small_text(&text);
    for (size_t size = text.size; size-- > 0;) {
        text.size = size;
        CHECK_FAILS(parse(&text), ERROR_BAD_DATA, "it: ");
    }
    buffer_deinit(&text);
}
END_TEST

/* The text of root with a right checksum. */
static void finish(cJSON *root, struct buffer *ret) {
    char digits[17];
    cJSON_DeleteItemFromObject(root, "checksum");
    cJSON_AddStringToObject(root, "checksum", "0000000000000000");
    char *text = cJSON_Print(root);
    buffer_clear(ret);
    buffer_put(ret, text, strlen(text));
    snprintf(digits, sizeof(digits), "%016" PRIx64, (uint64_t)XXH3_64bits(text, strlen(text)));
    memcpy(strstr((char *)ret->data, "\"0000000000000000\"") + 1, digits, 16);
    free(text);
}

/* Replace the key by JSON (NULL: leave it out) and expect this. */
static void check_key(const char *key, const char *json, enum error_code code, const char *message) {
    struct buffer text = {0};
    small_text(&text);
    cJSON *root = cJSON_ParseWithLength((char *)text.data, text.size);
    ck_assert_ptr_nonnull(cJSON_GetObjectItem(root, key));
    if (json) {
        cJSON *item = cJSON_Parse(json);
        ck_assert_ptr_nonnull(item);
        cJSON_ReplaceItemInObject(root, key, item);
    } else {
        cJSON_DeleteItemFromObject(root, key);
    }
    finish(root, &text);
    if (message)
        CHECK_FAILS(parse(&text), code, message);
    else
        CHECK_OK(parse(&text));
    cJSON_Delete(root);
    buffer_deinit(&text);
}

/* This machine can do what it can do; what it has never heard of it cannot. */
START_TEST(test_cpu_features) {
    char *future[] = {"sse3", "warp_9", "sse4_1", "flux", NULL}, *none[] = {NULL};
    char **here = cpu_features_here();
    ck_assert(here && here[0]);
    CHECK_OK(cpu_features_check(here, "it"));
    CHECK_OK(cpu_features_check(none, "it"));
    CHECK_OK(cpu_features_check(NULL, "it"));
    CHECK_FAILS(cpu_features_check(future, "it"), ERROR_UNSUPPORTED,
                "it: it was recorded on a processor with warp_9, flux, which this one lacks");
    char name[600] = "", *strange[] = {memset(name, 'x', sizeof(name) - 1), NULL};
    CHECK_FAILS(cpu_features_check(strange, "it"), ERROR_UNSUPPORTED, "unknown names");
    setenv("REEL_ANY_CPU", "1", 1);
    CHECK_OK(cpu_features_check(future, "it"));
    unsetenv("REEL_ANY_CPU");
    recording_texts_free(here);
}
END_TEST

START_TEST(test_keys) {
    static const char *const keys[] = {
        "format_version", "feature_mask", "state",    "reel_version", "program",
        "argv",           "cwd",          "pid",      "uid",          "started",
        "ended",          "end",          "segments", "events",       "check_memory",
        "host",           "kernel",       "cpu",      "env",          "processes"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        char message[64];
        snprintf(message, sizeof(message), "it: \"%s\" is missing", keys[i]);
        check_key(keys[i], NULL, ERROR_BAD_DATA, message);
        snprintf(message, sizeof(message), "it: \"%s\" is not ", keys[i]);
        check_key(keys[i], "[[]]", ERROR_BAD_DATA, message);
        check_key(keys[i], "{\"base64\": 1}", ERROR_BAD_DATA, message);
    }
}
END_TEST

/* Recordings of one process, as they were made once, do not have the key. */
START_TEST(test_without_processes) {
    struct buffer text = {0};
    small_text(&text);
    cJSON *root = cJSON_ParseWithLength((char *)text.data, text.size);
    cJSON_DeleteItemFromObject(root, "processes");
    cJSON_ReplaceItemInObject(root, "feature_mask", cJSON_CreateString("0x0"));
    finish(root, &text);
    CHECK_OK(parse(&text));
    cJSON_Delete(root);
    buffer_deinit(&text);
}
END_TEST

START_TEST(test_values) {
    static const struct {
        const char *key, *json, *message; /* NULL: fine */
    } rows[] = {
        {"pid", "2147483647", NULL},
        {"pid", "2147483648", "\"pid\" is not a whole number"},
        {"pid", "1.5", "\"pid\" is not a whole number"},
        {"pid", "1e999", "\"pid\" is not a whole number"},
        {"events", "-1", "\"events\" is not a whole number"},
        {"events", "1e15", "\"events\" is not a whole number"},
        {"segments", "4294967296", "\"segments\" is not"},
        {"format_version", "0", "\"format_version\" is 0"},
        {"feature_mask", "\"0x0\"", NULL},
        {"feature_mask", "\"0xg\"", "\"feature_mask\" is not"},
        {"feature_mask", "\"0x\"", "\"feature_mask\" is not"},
        {"feature_mask", "\"0x00000000000000000\"", "\"feature_mask\" is not"},
        {"state", "\"done\"", "\"state\" is not"},
        {"started", "\"2026-01-15T10:30:45.123456Z\"", NULL},
        {"started", "\"2026-02-30T10:30:45.123456Z\"", "\"started\" is not a time"},
        {"started", "\"2026-01-15T10:30:45.123456\"", "\"started\" is not a time"},
        {"started", "\"2026-01-15 10:30:45.123456Z\"", "\"started\" is not a time"},
        {"started", "\"2026-01-15T10:30:45.-23456Z\"", "\"started\" is not a time"},
        {"started", "\"+026-01-15T10:30:45.123456Z\"", "\"started\" is not a time"},
        {"ended", "null", NULL},
        {"end", "{\"how\": \"exited\", \"status\": 3, \"why\": null}", NULL},
        {"end", "{\"how\": \"unknown\", \"status\": 3, \"why\": null}", "\"end\" is not"},
        {"end", "{\"how\": \"exited\", \"why\": null}", "\"end\" is not"},
        {"end", "{\"how\": \"exited\", \"status\": 3}", "\"end\" is not"},
        {"argv", "[\"a\", 1]", "\"argv\" is not an array of strings"},
        {"argv", "[\"a\", {\"base64\": \"/w==\"}]", NULL},
        {"program", "{\"base64\": \"/w==\"}", NULL},
        {"program", "{\"base64\": \"//8=\"}", NULL},
        {"program", "{\"base64\": \"/w=\"}", "\"program\" is not a string"},
        {"program", "{\"base64\": \"/===\"}", "\"program\" is not a string"},
        {"program", "{\"base64\": \"/w=/\"}", "\"program\" is not a string"},
        {"program", "{\"base64\": \"=w==\"}", "\"program\" is not a string"},
        {"program", "{\"base64\": \"/w==/w==\"}", "\"program\" is not a string"},
        {"program", "{\"base64\": \"AAAA\"}", "\"program\" is not a string"},
        {"program", "{\"base65\": \"/w==\"}", "\"program\" is not a string"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        check_key(rows[i].key, rows[i].json, ERROR_BAD_DATA, rows[i].message);
}
END_TEST

/* What a newer reel wrote is called that, whatever else seems to be wrong with it; unknown keys do not
 * matter. */
START_TEST(test_newer) {
    static const char other[] = "{\"format_version\": 12, \"sha256\": \"of another kind\"}\n";
    check_key("format_version", "2", ERROR_UNSUPPORTED, "it: format version 2 is newer than this reel");
    check_key("feature_mask", "\"0x100000\"", ERROR_UNSUPPORTED,
              "it: needs features 0x100000 that this reel does not know");
    struct recording_info info;
    CHECK_FAILS(recording_info_parse(other, sizeof(other) - 1, "it", &info), ERROR_UNSUPPORTED,
                "format version 12");
    struct buffer text = {0};
    small_text(&text);
    cJSON *root = cJSON_ParseWithLength((char *)text.data, text.size);
    cJSON_AddStringToObject(root, "colour", "blue");
    finish(root, &text);
    CHECK_OK(parse(&text));
    cJSON_Delete(root);
    buffer_deinit(&text);
}
END_TEST

static struct recording_info minimal(void) {
    struct recording_info info;
    CHECK_OK(recording_info_from_host(&info));
    return info;
}

static char *in_scratch(const char *name) {
    char *path;
    ck_assert_int_gt(asprintf(&path, "%s/%s", scratch.path, name), 0);
    return path;
}

static mode_t mode_of(int dirfd, const char *name) {
    struct stat status;
    ck_assert_int_eq(fstatat(dirfd, name, &status, 0), 0);
    return status.st_mode & 07777;
}

START_TEST(test_life) {
    struct recording recording, found;
    struct recording_info info = minimal(), found_info;
    struct stat status;
    char *path = in_scratch("a.reel");
    mode_t mask = umask(0);
    CHECK_OK(recording_create(path, 12345, &recording));
    ck_assert_uint_eq(recording.budget.limit, 12345);
    CHECK_OK(recording_write_info(&recording, &info));
    umask(mask);
    ck_assert_uint_eq(mode_of(AT_FDCWD, path), 0700);
    ck_assert_uint_eq(mode_of(recording.dirfd, "d1"), 0700);
    ck_assert_uint_eq(mode_of(recording.dirfd, "files"), 0700);
    ck_assert_uint_eq(mode_of(recording.dirfd, "recording.json"), 0600);
    ck_assert_uint_eq(mode_of(recording.dirfd, "reserve"), 0600);
    ck_assert_int_eq(fstatat(recording.dirfd, "reserve", &status, 0), 0);
    ck_assert(status.st_size >= 65536 && status.st_blocks * 512 >= 65536);
    ck_assert_uint_eq(recording.budget.used, 0);

    CHECK_OK(recording_open(path, &found, &found_info));
    ck_assert_int_eq(found_info.state, RECORDING_RUNNING);
    ck_assert_int_eq(mkdirat(found.domainfd, "x", 0700), 0);
    ck_assert_int_eq(faccessat(recording.dirfd, "d1/x", F_OK, 0), 0);
    recording_info_deinit(&found_info);
    recording_deinit(&found);

    info.state = RECORDING_COMPLETE;
    info.end = END_EXITED;
    CHECK_OK(recording_write_info(&recording, &info));
    ck_assert_int_ne(faccessat(recording.dirfd, "reserve", F_OK, 0), 0);
    ck_assert_int_ne(faccessat(recording.dirfd, "recording.json.new", F_OK, 0), 0);
    CHECK_OK(recording_open(path, &found, &found_info));
    ck_assert_int_eq(found_info.state, RECORDING_COMPLETE);
    recording_info_deinit(&found_info);
    recording_deinit(&found);
    recording_info_deinit(&info);
    recording_deinit(&recording);
    recording_deinit(&recording);
    free(path);
}
END_TEST

START_TEST(test_create_where_something_is) {
    struct recording recording;
    char *full = in_scratch("full"), *empty = in_scratch("empty"), *file = in_scratch("file");
    char *nowhere = in_scratch("no/where"), *dangling = in_scratch("dangling");
    ck_assert_int_eq(mkdir(empty, 0755), 0);
    CHECK_OK(recording_create(empty, 0, &recording));
    ck_assert_uint_eq(mode_of(AT_FDCWD, empty), 0700);
    recording_deinit(&recording);
    ck_assert_int_eq(mkdir(full, 0700), 0);
    scratch_write(scratch.fd, "full/x", "x", 1);
    struct error *err = recording_create(full, 0, &recording);
    ck_assert(err && err->hint && strstr(err->hint, "-o"));
    CHECK_FAILS(err, ERROR_USAGE, "full: already exists");
    ck_assert_int_ne(faccessat(scratch.fd, "full/d1", F_OK, 0), 0);
    scratch_write(scratch.fd, "file", "x", 1);
    CHECK_FAILS(recording_create(file, 0, &recording), ERROR_USAGE, "file: already exists");
    ck_assert_int_eq(symlink("/nonexistent", dangling), 0);
    CHECK_FAILS(recording_create(dangling, 0, &recording), ERROR_USAGE, "dangling: already exists");
    CHECK_FAILS(recording_create(nowhere, 0, &recording), ERROR_SYSTEM, "no/where: cannot create");
    CHECK_FAILS(recording_create(empty, 0, &recording), ERROR_USAGE, "empty: already exists");
    free(full), free(empty), free(file), free(nowhere), free(dangling);
}
END_TEST

START_TEST(test_open_what_is_none) {
    struct recording recording;
    struct recording_info info = minimal(), found;
    char *path = in_scratch("a.reel"), *none = in_scratch("none"), *file = in_scratch("file");
    CHECK_FAILS(recording_open(none, &recording, &found), ERROR_NOT_FOUND, "none: no such recording");
    CHECK_FAILS(recording_open(scratch.path, &recording, &found), ERROR_NOT_FOUND,
                "not a recording (no recording.json)");
    scratch_write(scratch.fd, "file", "x", 1);
    CHECK_FAILS(recording_open(file, &recording, &found), ERROR_NOT_FOUND, "file: not a recording");

    CHECK_OK(recording_create(path, 0, &recording));
    ck_assert_int_eq(mkfifoat(recording.dirfd, "recording.json", 0600), 0);
    struct recording other;
    CHECK_FAILS(recording_open(path, &other, &found), ERROR_BAD_DATA, "recording.json: not a regular file");
    unlinkat(recording.dirfd, "recording.json", 0);
    scratch_write(recording.dirfd, "recording.json", "", 0);
    CHECK_FAILS(recording_open(path, &other, &found), ERROR_BAD_DATA, "recording.json: has no checksum");
    ck_assert_int_eq(truncate(none, 0), -1);
    int fd = openat(recording.dirfd, "recording.json", O_RDWR | O_CLOEXEC);
    ck_assert_int_eq(ftruncate(fd, RECORDING_INFO_MAX + 1), 0);
    close(fd);
    CHECK_FAILS(recording_open(path, &other, &found), ERROR_BAD_DATA, "recording.json: too large");
    CHECK_OK(recording_write_info(&recording, &info));
    ck_assert_int_eq(unlinkat(recording.dirfd, "files", AT_REMOVEDIR), 0);
    CHECK_FAILS(recording_open(path, &other, &found), ERROR_BAD_DATA, "the folder files is missing");
    recording_info_deinit(&info);
    recording_deinit(&recording);
    free(path), free(none), free(file);
}
END_TEST

/* A disk that is full leaves the recording.json that is there. */
START_TEST(test_disk_full) {
    signal(SIGXFSZ, SIG_IGN);
    struct recording recording, other;
    struct recording_info info = minimal(), found;
    char *path = in_scratch("a.reel");
    CHECK_OK(recording_create(path, 0, &recording));
    CHECK_OK(recording_write_info(&recording, &info));
    struct rlimit limit = {.rlim_cur = 100, .rlim_max = RLIM_INFINITY};
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    info.state = RECORDING_COMPLETE;
    CHECK_FAILS(recording_write_info(&recording, &info), ERROR_SYSTEM, "recording.json.new: cannot write");
    limit.rlim_cur = RLIM_INFINITY;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_int_ne(faccessat(recording.dirfd, "recording.json.new", F_OK, 0), 0);
    CHECK_OK(recording_open(path, &other, &found));
    ck_assert_int_eq(found.state, RECORDING_RUNNING);
    recording_info_deinit(&found);
    recording_info_deinit(&info);
    recording_deinit(&other);
    recording_deinit(&recording);
    free(path);
}
END_TEST

START_TEST(test_too_large) {
    struct recording_info info = minimal();
    struct buffer text = {0};
    info.cwd = realloc(info.cwd, RECORDING_INFO_MAX);
    memset(info.cwd, 'x', RECORDING_INFO_MAX);
    info.cwd[RECORDING_INFO_MAX - 1] = 0;
    CHECK_FAILS(recording_info_format(&info, &text), ERROR_UNSUPPORTED, "too large");
    /* A 6 MiB command line, the kernel's most, is fine; so is its reserve. */
    info.cwd[6 << 20] = 0;
    memset(info.cwd, '"', 6 << 20);
    struct recording recording, other;
    struct recording_info found;
    struct stat status;
    char *path = in_scratch("a.reel");
    CHECK_OK(recording_create(path, 0, &recording));
    CHECK_OK(recording_write_info(&recording, &info));
    ck_assert_int_eq(fstatat(recording.dirfd, "reserve", &status, 0), 0);
    ck_assert_int_ge(status.st_size, 12 << 20);
    CHECK_OK(recording_open(path, &other, &found));
    ck_assert_str_eq(found.cwd, info.cwd);
    recording_info_deinit(&found);
    recording_deinit(&other);
    recording_deinit(&recording);
    recording_info_deinit(&info);
    buffer_deinit(&text);
    free(path);
}
END_TEST

START_TEST(test_find_newest) {
    char *path;
    CHECK_FAILS(recording_find_newest(scratch.path, &path), ERROR_NOT_FOUND, "no recording in this folder");
    static const char *const names[] = {"b.reel", "c", "a.reel"};
    static const time_t times[] = {1000, 3000, 2000};
    ck_assert_int_eq(mkdirat(scratch.fd, "d.reel", 0700), 0);
    for (size_t i = 0; i < 3; i++) {
        char name[64];
        snprintf(name, sizeof(name), "%s/recording.json", names[i]);
        ck_assert_int_eq(mkdirat(scratch.fd, names[i], 0700), 0);
        scratch_write(scratch.fd, name, "x", 1);
        const struct timespec when[2] = {{.tv_sec = times[i]}, {.tv_sec = times[i]}};
        ck_assert_int_eq(utimensat(scratch.fd, name, when, 0), 0);
    }
    char *expected = in_scratch("c");
    CHECK_OK(recording_find_newest(scratch.path, &path));
    ck_assert_str_eq(path, expected);
    free(path);
    free(expected);
    ck_assert_int_eq(chdir(scratch.path), 0);
    CHECK_OK(recording_find_newest(".", &path));
    ck_assert_str_eq(path, "c");
    free(path);
    struct error *err = recording_find_newest("none", &path);
    ck_assert(err && err->errnum == ENOENT);
    error_free(err);
}
END_TEST

START_TEST(test_segment_name) {
    char name[32];
    recording_segment_name(3, "log", name);
    ck_assert_str_eq(name, "3.log");
    recording_segment_name(UINT32_MAX, "snapshot", name);
    ck_assert_str_eq(name, "4294967295.snapshot");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("recording");
    TCase *tests = tcase_create("recording");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, test_text_round_trip);
    tcase_add_test(tests, test_ends);
    tcase_add_test(tests, test_null_strings);
    tcase_add_test(tests, test_every_flip_is_seen);
    tcase_add_test(tests, test_every_truncation);
    tcase_add_test(tests, test_keys);
    tcase_add_test(tests, test_cpu_features);
    tcase_add_test(tests, test_without_processes);
    tcase_add_test(tests, test_values);
    tcase_add_test(tests, test_newer);
    tcase_add_test(tests, test_life);
    tcase_add_test(tests, test_create_where_something_is);
    tcase_add_test(tests, test_open_what_is_none);
    tcase_add_test(tests, test_disk_full);
    tcase_add_test(tests, test_too_large);
    tcase_add_test(tests, test_find_newest);
    tcase_add_test(tests, test_segment_name);
    suite_add_tcase(suite, tests);
    return scratch_run(suite);
}
