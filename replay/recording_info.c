/* recording_info: what recording.json says, and its text. Writing and reading share one table of keys. */
#include "replay/recording.h"

#include "base/version.h"
#include "replay/cpu_features.h"
#include "replay/recording_json.h"

#include <cpuid.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <xxhash.h>

#define CHECKSUM_KEY    "checksum"
#define CHECKSUM_DIGITS 16
static const char checksum_blank[] = "0000000000000000";

void recording_texts_free(char **texts) {
    for (char **text = texts; text && *text; text++)
        free(*text);
    free(texts);
}

void recording_info_deinit(struct recording_info *info) {
    char *texts[] = {info->reel_version, info->host,    info->kernel, info->cpu,
                     info->cwd,          info->program, info->why};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        free(texts[i]);
    recording_texts_free(info->argv);
    recording_texts_free(info->env);
    recording_texts_free(info->cpu_features);
    recording_processes_deinit(&info->processes);
    memset(info, 0, sizeof(*info));
}

/* ---- processes ---- */

void recording_process_deinit(struct recording_process *process) {
    free(process->program);
    free(process->stopped);
    recording_texts_free(process->argv);
    memset(process, 0, sizeof(*process));
}

void recording_processes_deinit(struct recording_processes *processes) {
    for (size_t i = 0; i < processes->count; i++)
        recording_process_deinit(&processes->list[i]);
    free(processes->list);
    memset(processes, 0, sizeof(*processes));
}

/* Mostly they come in the order of their numbers, or nearly so. */
struct error *recording_processes_add(struct recording_processes *processes,
                                      struct recording_process *process) {
    size_t at = processes->count;
    struct recording_process *list = processes->list;
    if ((at & (at - 1)) == 0) /* room for a power of two */
        list = reallocarray(list, at ? at * 2 : 1, sizeof(*list));
    if (!list) {
        recording_process_deinit(process);
        return &error_no_memory;
    }
    processes->list = list;
    while (at && list[at - 1].domain > process->domain)
        at--;
    memmove(list + at + 1, list + at, (processes->count - at) * sizeof(*list));
    list[at] = *process;
    processes->count++;
    memset(process, 0, sizeof(*process));
    return NULL;
}

static char **copy_texts(char **texts) {
    size_t count = 0;
    while (texts && texts[count])
        count++;
    char **copy = calloc(count + 1, sizeof(*copy));
    for (size_t i = 0; copy && i < count; i++)
        if (!(copy[i] = strdup(texts[i]))) {
            recording_texts_free(copy);
            return NULL;
        }
    return copy;
}

struct error *recording_process_copy(const struct recording_process *process, struct recording_process *ret) {
    struct recording_process copy = *process;
    copy.program = strdup(process->program ? process->program : "");
    copy.argv = copy_texts(process->argv);
    copy.stopped = process->stopped ? strdup(process->stopped) : NULL;
    if (!copy.program || !copy.argv || (process->stopped && !copy.stopped)) {
        recording_process_deinit(&copy);
        return &error_no_memory;
    }
    *ret = copy;
    return NULL;
}

/* ---- what this machine is ---- */

static char *cpu_brand(void) {
    char brand[49] = "";
    unsigned registers[12];
    for (unsigned i = 0; i < 3; i++) {
        unsigned *r = registers + 4 * i;
        if (!__get_cpuid(0x80000002 + i, &r[0], &r[1], &r[2], &r[3]))
            return strdup("unknown");
    }
    memcpy(brand, registers, sizeof(registers));
    const char *start = brand + strspn(brand, " ");
    size_t size = strlen(start);
    while (size && start[size - 1] == ' ')
        size--;
    return strndup(start, size);
}

struct error *recording_info_from_host(struct recording_info *ret) {
    struct utsname names;
    if (uname(&names))
        return error_system(errno, "host: cannot read its name");
    struct recording_info info = {.format_version = RECORDING_FORMAT_VERSION, .features = RECORDING_FEATURES};
    info.reel_version = strdup(REEL_VERSION);
    info.host = strdup(names.nodename);
    info.cpu = cpu_brand();
    info.cpu_features = cpu_features_here();
    info.uid = (int32_t)getuid();
    info.cwd = getcwd(NULL, 0);
    /* The folder may have been removed under us; that is no reason not to record. */
    if (!info.cwd)
        info.cwd = strdup("");
    if (asprintf(&info.kernel, "%s %s", names.release, names.version) < 0)
        info.kernel = NULL;
    clock_gettime(CLOCK_REALTIME, &info.started);
    info.started.tv_nsec -= info.started.tv_nsec % 1000;
    if (!info.reel_version || !info.host || !info.cpu || !info.cpu_features || !info.cwd || !info.kernel) {
        recording_info_deinit(&info);
        return &error_no_memory;
    }
    *ret = info;
    return NULL;
}

static const char *const state_names[] = {
    [RECORDING_RUNNING] = "recording", [RECORDING_COMPLETE] = "complete"};
static const char *const end_names[] = {[END_UNKNOWN] = "unknown",
                                        [END_EXITED] = "exited",
                                        [END_SIGNALED] = "signaled",
                                        [END_STOPPED] = "stopped"};

static cJSON *json_write_state(const void *field) {
    return cJSON_CreateString(state_names[*(const enum recording_state *)field]);
}

static bool json_read_state(const cJSON *item, void *field) {
    int state = json_read_name(item, state_names, 2);
    *(enum recording_state *)field = state < 0 ? RECORDING_RUNNING : (enum recording_state)state;
    return state >= 0;
}

/* These two take the whole info: "end" holds three of its fields. */
static cJSON *json_write_end(const void *field) {
    const struct recording_info *info = field;
    if (info->end == END_UNKNOWN)
        return cJSON_CreateNull();
    cJSON *object = cJSON_CreateObject(), *why = json_write_optional(&info->why);
    if (object && why && cJSON_AddStringToObject(object, "how", end_names[info->end]) &&
        cJSON_AddNumberToObject(object, "status", info->status) && cJSON_AddItemToObject(object, "why", why))
        return object;
    cJSON_Delete(why);
    cJSON_Delete(object);
    return NULL;
}

static bool json_read_end(const cJSON *item, void *field) {
    struct recording_info *info = field;
    if (cJSON_IsNull(item))
        return true;
    const cJSON *why = cJSON_GetObjectItemCaseSensitive(item, "why");
    int end = json_read_name(cJSON_GetObjectItemCaseSensitive(item, "how"), end_names, END_STOPPED + 1);
    if (end <= END_UNKNOWN || !why ||
        !json_read_i32(cJSON_GetObjectItemCaseSensitive(item, "status"), &info->status))
        return false;
    info->end = (enum recording_end)end;
    return json_read_optional(why, &info->why);
}

static const char *const start_names[] = {
    [START_LAUNCH] = "launch", [START_FORK] = "fork", [START_EXEC] = "exec"};

static cJSON *json_write_start(const void *field) {
    return cJSON_CreateString(start_names[*(const enum process_start *)field]);
}

static bool json_read_start(const cJSON *item, void *field) {
    int start = json_read_name(item, start_names, START_EXEC + 1);
    *(enum process_start *)field = start < 0 ? START_LAUNCH : (enum process_start)start;
    return start >= 0;
}

static cJSON *json_write_how(const void *field) {
    return cJSON_CreateString(end_names[*(const enum recording_end *)field]);
}

static bool json_read_how(const cJSON *item, void *field) {
    int end = json_read_name(item, end_names, END_STOPPED);
    *(enum recording_end *)field = end < 0 ? END_UNKNOWN : (enum recording_end)end;
    return end >= 0;
}

/* ---- the keys of a process, in their order ---- */

static const struct json_field process_fields[] = {
    JSON_FIELD(recording_process, "domain", u32, domain, NULL),
    JSON_FIELD(recording_process, "pid", i32, pid, NULL),
    JSON_FIELD(recording_process, "ppid", i32, ppid, NULL),
    JSON_FIELD(recording_process, "start", start, start, NULL),
    JSON_FIELD(recording_process, "origin_domain", u32, origin_domain, NULL),
    JSON_FIELD(recording_process, "origin_event", u64, origin_event, NULL),
    JSON_FIELD(recording_process, "program", text, program, NULL),
    JSON_FIELD(recording_process, "argv", texts, argv, NULL),
    JSON_FIELD(recording_process, "started", time, started, NULL),
    JSON_FIELD(recording_process, "ended", time, ended, NULL),
    JSON_FIELD(recording_process, "end", how, end, NULL),
    JSON_FIELD(recording_process, "status", i32, status, NULL),
    JSON_FIELD(recording_process, "core", bool, core, NULL),
    JSON_FIELD(recording_process, "stopped", optional, stopped, NULL),
    JSON_FIELD(recording_process, "joined", u32, joined, NULL),
    JSON_FIELD(recording_process, "left", u32, left, NULL),
    JSON_FIELD(recording_process, "segments", u32, segments, NULL),
    JSON_FIELD(recording_process, "events", u64, events, NULL),
};

#define PROCESS_FIELD_COUNT (sizeof(process_fields) / sizeof(*process_fields))

static cJSON *json_write_processes(const void *field) {
    const struct recording_processes *processes = field;
    cJSON *array = cJSON_CreateArray();
    for (size_t i = 0; array && i < processes->count; i++) {
        cJSON *item = json_write_object(process_fields, PROCESS_FIELD_COUNT, &processes->list[i]);
        if (!item || !cJSON_AddItemToArray(array, item)) {
            cJSON_Delete(item);
            cJSON_Delete(array);
            return NULL;
        }
    }
    return array;
}

static bool read_process(const cJSON *item, struct recording_process *ret) {
    bool good = cJSON_IsObject(item);
    for (size_t i = 0; good && i < PROCESS_FIELD_COUNT; i++) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(item, process_fields[i].key);
        good = value && process_fields[i].read(value, (char *)ret + process_fields[i].offset);
    }
    return good && ret->domain;
}

/* In the order of their domains, none twice. */
static bool json_read_processes(const cJSON *array, void *field) {
    struct recording_processes *processes = field;
    uint32_t last = 0;
    const cJSON *item;
    if (!cJSON_IsArray(array))
        return false;
    cJSON_ArrayForEach(item, array) {
        struct recording_process process = {0};
        if (!read_process(item, &process) || process.domain <= last) {
            recording_process_deinit(&process);
            return false;
        }
        last = process.domain;
        if (recording_processes_add(processes, &process))
            return false;
    }
    return true;
}

/* ---- the keys of recording.json, in their order ---- */

static const struct json_field fields[] = {
    JSON_FIELD(recording_info, "format_version", u32, format_version, "a whole number"),
    JSON_FIELD(recording_info, "feature_mask", mask, features, "a hexadecimal number such as \"0x0\""),
    JSON_FIELD(recording_info, "state", state, state, "\"recording\" or \"complete\""),
    JSON_FIELD(recording_info, "reel_version", text, reel_version, "a string"),
    JSON_FIELD(recording_info, "program", text, program, "a string"),
    JSON_FIELD(recording_info, "argv", texts, argv, "an array of strings"),
    JSON_FIELD(recording_info, "cwd", text, cwd, "a string"),
    JSON_FIELD(recording_info, "pid", i32, pid, "a whole number"),
    JSON_FIELD(recording_info, "uid", i32, uid, "a whole number"),
    JSON_FIELD(recording_info, "started", time, started, "a time such as \"2026-01-15T10:30:45.123456Z\""),
    JSON_FIELD(recording_info, "ended", time, ended,
               "null or a time such as \"2026-01-15T10:30:45.123456Z\""),
    /* The offset of state is 0: the function gets the whole info. */
    JSON_FIELD(recording_info, "end", end, state, "null or an object with \"how\", \"status\" and \"why\""),
    JSON_FIELD(recording_info, "segments", u32, segments, "a whole number"),
    JSON_FIELD(recording_info, "events", u64, events, "a whole number"),
    JSON_FIELD(recording_info, "processor", i32, processor, "a whole number"),
    JSON_FIELD(recording_info, "chaos", bool, chaos, "true or false"),
    JSON_FIELD(recording_info, "chaos_seed", mask, chaos_seed, "a hexadecimal number such as \"0x0\""),
    JSON_FIELD(recording_info, "check_memory", bool, check_memory, "true or false"),
    JSON_FIELD(recording_info, "host", text, host, "a string"),
    JSON_FIELD(recording_info, "kernel", text, kernel, "a string"),
    JSON_FIELD(recording_info, "cpu", text, cpu, "a string"),
    JSON_FIELD(recording_info, "cpu_features", texts, cpu_features, "an array of strings"),
    JSON_FIELD(recording_info, "env", texts, env, "an array of strings"),
    JSON_FIELD(recording_info, "processes", processes, processes,
               "an array of processes, in the order of their domains"),
};
_Static_assert(offsetof(struct recording_info, state) == 0, "see the row of \"end\"");

#define FIELD_COUNT (sizeof(fields) / sizeof(*fields))

/* ---- the text and its checksum ---- */

/* The checksum as it is written; its own 16 digits in the text are zeros while it is computed. */
static void format_checksum(const void *text, size_t size, char ret[CHECKSUM_DIGITS + 1]) {
    snprintf(ret, CHECKSUM_DIGITS + 1, "%016" PRIx64, (uint64_t)XXH3_64bits(text, size));
}

/* Offset of the digits of the last "checksum" in text, or 0. A string value can never look the same: its
 * quotes are escaped or are not followed by a colon. */
static size_t find_checksum(const char *text, size_t size) {
    static const char key[] = "\"" CHECKSUM_KEY "\":";
    const size_t key_size = sizeof(key) - 1;
    for (size_t at = size; at >= key_size; at--) {
        if (text[at - 1] != ':' || memcmp(text + at - key_size, key, key_size) != 0)
            continue;
        while (at < size && (text[at] == ' ' || text[at] == '\t'))
            at++;
        bool fits =
            size - at >= CHECKSUM_DIGITS + 2 && text[at] == '"' && text[at + 1 + CHECKSUM_DIGITS] == '"';
        return fits ? at + 1 : 0;
    }
    return 0;
}

struct error *recording_info_format(const struct recording_info *info, struct buffer *ret) {
    cJSON *root = json_write_object(fields, FIELD_COUNT, info);
    bool good = root && cJSON_AddStringToObject(root, CHECKSUM_KEY, checksum_blank);
    char *text = good ? cJSON_Print(root) : NULL;
    cJSON_Delete(root);
    if (!text)
        return &error_no_memory;
    size_t start = ret->size, size = strlen(text) + 1;
    struct error *err = NULL;
    if (size > RECORDING_INFO_MAX)
        err = error_new(ERROR_UNSUPPORTED, "recording: arguments and environment are too large");
    buffer_put(ret, text, size - 1);
    buffer_put_u8(ret, '\n');
    free(text);
    if (!err)
        err = buffer_check(ret);
    if (!err) {
        char digits[CHECKSUM_DIGITS + 1];
        char *copy = (char *)ret->data + start;
        format_checksum(copy, size, digits);
        memcpy(copy + find_checksum(copy, size), digits, CHECKSUM_DIGITS);
    }
    return err;
}

/* copy is a copy of the text that may be changed. */
static struct error *verify_checksum(char *copy, size_t size, const char *what) {
    char found[CHECKSUM_DIGITS], expected[CHECKSUM_DIGITS + 1];
    size_t at = find_checksum(copy, size);
    if (!at)
        return error_new(ERROR_BAD_DATA, "%s: has no checksum: damaged or cut short", what);
    memcpy(found, copy + at, CHECKSUM_DIGITS);
    memcpy(copy + at, checksum_blank, CHECKSUM_DIGITS);
    format_checksum(copy, size, expected);
    memcpy(copy + at, found, CHECKSUM_DIGITS);
    if (memcmp(found, expected, CHECKSUM_DIGITS) != 0)
        return error_new(ERROR_BAD_DATA, "%s: damaged: its checksum is wrong", what);
    return NULL;
}

static struct error *check_version(const cJSON *root, const char *what) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(root, "format_version");
    if (!cJSON_IsNumber(item) || item->valuedouble <= RECORDING_FORMAT_VERSION)
        return NULL;
    return error_hint(error_new(ERROR_UNSUPPORTED, "%s: format version %.0f is newer than this reel", what,
                                item->valuedouble),
                      "it reads versions up to %d; use the reel that made the recording",
                      RECORDING_FORMAT_VERSION);
}

static struct error *check_features(const struct recording_info *info, const char *what) {
    unsigned long long unknown = info->features & ~RECORDING_FEATURES;
    if (!unknown)
        return NULL;
    return error_hint(
        error_new(ERROR_UNSUPPORTED, "%s: needs features 0x%llx that this reel does not know", what, unknown),
        "use the reel that made the recording");
}

static struct error *read_fields(const cJSON *root, const char *what, struct recording_info *info) {
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(root, fields[i].key);
        if (!item && fields[i].read == json_read_processes && !(info->features & FEATURE_PROCESSES))
            continue; /* recordings were of one process once */
        if (!item && !strcmp(fields[i].key, "cpu_features"))
            continue; /* and did not know these */
        if (!item)
            return error_new(ERROR_BAD_DATA, "%s: \"%s\" is missing", what, fields[i].key);
        if (!fields[i].read(item, (char *)info + fields[i].offset))
            return error_new(ERROR_BAD_DATA, "%s: \"%s\" is not %s", what, fields[i].key, fields[i].expected);
        /* As soon as it is known: what follows may be of another type in a version that needs the feature. */
        TRY(check_features(info, what));
    }
    if (!info->format_version)
        return error_new(ERROR_BAD_DATA, "%s: \"format_version\" is 0", what);
    return NULL;
}

/* text ends in a NUL that size does not count. */
static struct error *parse_text(char *text, size_t size, const char *what, struct recording_info *info) {
    struct error *err = verify_checksum(text, size, what);
    const char *end = NULL;
    cJSON *root = cJSON_ParseWithLengthOpts(text, size + 1, &end, true);
    /* A later version may be checksummed in another way: it is to be named even if the checksum seems wrong.
     */
    struct error *version_err = check_version(root, what);
    if (version_err) {
        error_free(err);
        err = version_err;
    }
    if (!err && (!root || memchr(text, 0, size)))
        err = error_new(ERROR_BAD_DATA, "%s: not valid JSON at byte %td", what, end ? end - text : 0);
    if (!err && !cJSON_IsObject(root))
        err = error_new(ERROR_BAD_DATA, "%s: not a JSON object", what);
    if (!err)
        err = read_fields(root, what, info);
    cJSON_Delete(root);
    return err;
}

struct error *recording_info_parse(const void *text, size_t size, const char *what,
                                   struct recording_info *ret) {
    if (size > RECORDING_INFO_MAX)
        return error_new(ERROR_BAD_DATA, "%s: too large", what);
    char *copy = malloc(size + 1);
    if (!copy)
        return &error_no_memory;
    if (size)
        memcpy(copy, text, size);
    copy[size] = 0;
    struct recording_info info = {0};
    struct error *err = parse_text(copy, size, what, &info);
    free(copy);
    if (err)
        recording_info_deinit(&info);
    else
        *ret = info;
    return err;
}
