/* recording_info: what recording.json says, and its text. Writing and reading share one table of keys. */
#include "replay/recording.h"

#include "base/version.h"

#include <cjson/cJSON.h>
#include <cpuid.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <xxhash.h>

/* The largest integer: cJSON reads doubles and writes 15 digits. */
#define INTEGER_MAX UINT64_C(999999999999999)

#define CHECKSUM_KEY    "checksum"
#define CHECKSUM_DIGITS 16
static const char checksum_blank[] = "0000000000000000";

static void free_texts(char **texts) {
    for (char **text = texts; text && *text; text++)
        free(*text);
    free(texts);
}

void recording_info_deinit(struct recording_info *info) {
    char *texts[] = {info->reel_version, info->host,    info->kernel, info->cpu,
                     info->cwd,          info->program, info->why};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        free(texts[i]);
    free_texts(info->argv);
    free_texts(info->env);
    recording_processes_deinit(&info->processes);
    memset(info, 0, sizeof(*info));
}

/* ---- processes ---- */

void recording_process_deinit(struct recording_process *process) {
    free(process->program);
    free(process->stopped);
    free_texts(process->argv);
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
            free_texts(copy);
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
    info.uid = (int32_t)getuid();
    info.cwd = getcwd(NULL, 0);
    /* The folder may have been removed under us; that is no reason not to record. */
    if (!info.cwd)
        info.cwd = strdup("");
    if (asprintf(&info.kernel, "%s %s", names.release, names.version) < 0)
        info.kernel = NULL;
    clock_gettime(CLOCK_REALTIME, &info.started);
    info.started.tv_nsec -= info.started.tv_nsec % 1000;
    if (!info.reel_version || !info.host || !info.cpu || !info.cwd || !info.kernel) {
        recording_info_deinit(&info);
        return &error_no_memory;
    }
    *ret = info;
    return NULL;
}

/* ---- strings: JSON knows UTF-8 only, Unix knows bytes ---- */

/* Length of the UTF-8 sequence at text (RFC 3629: shortest form, no surrogates), 0 if it is none. */
static size_t utf8_length(const uint8_t *text) {
    static const struct {
        uint8_t mask, lead;
        uint32_t least;
    } rows[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
    for (size_t length = 1; length <= 4; length++) {
        if ((text[0] & rows[length - 1].mask) != rows[length - 1].lead)
            continue;
        uint32_t point = text[0] & (uint8_t)~rows[length - 1].mask;
        /* The terminating NUL is no continuation byte: this does not run over the end. */
        for (size_t i = 1; i < length; i++) {
            if ((text[i] & 0xc0) != 0x80)
                return 0;
            point = point << 6 | (text[i] & 0x3f);
        }
        bool bad = point < rows[length - 1].least || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff);
        return bad ? 0 : length;
    }
    return 0;
}

static bool is_utf8(const char *text) {
    const uint8_t *at = (const uint8_t *)text;
    while (*at) {
        size_t length = utf8_length(at);
        if (!length)
            return false;
        at += length;
    }
    return true;
}

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static char *base64_encode(const char *text) {
    size_t size = strlen(text);
    char *ret = malloc((size + 2) / 3 * 4 + 1), *out = ret;
    if (!ret)
        return NULL;
    for (size_t i = 0; i < size; i += 3) {
        size_t count = size - i < 3 ? size - i : 3;
        uint32_t bits = 0;
        for (size_t j = 0; j < 3; j++)
            bits = bits << 8 | (j < count ? (uint8_t)text[i + j] : 0);
        for (size_t j = 0; j < 4; j++)
            *out++ = j <= count ? base64_digits[bits >> (18 - 6 * j) & 0x3f] : '=';
    }
    *out = 0;
    return ret;
}

/* Decode groups of four digits, "=" only at the very end. NULL when it is not base64 or holds a NUL. */
static char *base64_decode(const char *text) {
    size_t size = strlen(text), used = 0;
    char *ret = malloc(size / 4 * 3 + 1);
    bool good = ret && size % 4 == 0;
    for (size_t i = 0; good && i < size; i += 4) {
        uint32_t bits = 0;
        size_t digits = 0;
        for (size_t j = 0; j < 4; j++) {
            const char *digit = strchr(base64_digits, text[i + j]);
            bits = bits << 6 | (digit ? (uint32_t)(digit - base64_digits) : 0);
            digits += digit && digits == j;
        }
        bool last = i + 4 == size;
        good = digits == 4 || (last && digits >= 2 && strspn(text + i + digits, "=") == 4 - digits);
        for (size_t j = 0; good && j + 1 < digits; j++) {
            ret[used++] = (char)(bits >> (16 - 8 * j) & 0xff);
            good = ret[used - 1] != 0;
        }
    }
    if (!good) {
        free(ret);
        return NULL;
    }
    ret[used] = 0;
    return ret;
}

static cJSON *text_to_json(const char *text) {
    if (is_utf8(text ? text : ""))
        return cJSON_CreateString(text ? text : "");
    char *digits = base64_encode(text);
    cJSON *object = digits ? cJSON_CreateObject() : NULL;
    if (object && !cJSON_AddStringToObject(object, "base64", digits)) {
        cJSON_Delete(object);
        object = NULL;
    }
    free(digits);
    return object;
}

/* A fresh string, or NULL when item is no string in one of the two forms. */
static char *text_from_json(const cJSON *item) {
    if (cJSON_IsString(item))
        return strdup(item->valuestring);
    const cJSON *digits = cJSON_GetObjectItemCaseSensitive(item, "base64");
    return cJSON_IsObject(item) && cJSON_IsString(digits) ? base64_decode(digits->valuestring) : NULL;
}

/* ---- one pair of functions for each type of value: to JSON (NULL: out of memory), and back (false: bad
 * value) ---- */

static cJSON *write_text(const void *field) {
    return text_to_json(*(char *const *)field);
}

static bool read_text(const cJSON *item, void *field) {
    char *text = text_from_json(item);
    *(char **)field = text;
    return text != NULL;
}

static cJSON *write_texts(const void *field) {
    cJSON *array = cJSON_CreateArray();
    for (char **text = *(char **const *)field; array && text && *text; text++) {
        cJSON *item = text_to_json(*text);
        if (!item || !cJSON_AddItemToArray(array, item)) {
            cJSON_Delete(item);
            cJSON_Delete(array);
            return NULL;
        }
    }
    return array;
}

static bool read_texts(const cJSON *array, void *field) {
    if (!cJSON_IsArray(array))
        return false;
    size_t count = 0;
    char **texts = calloc((size_t)cJSON_GetArraySize(array) + 1, sizeof(*texts));
    *(char ***)field = texts;
    const cJSON *item;
    cJSON_ArrayForEach(item, array) {
        if (!texts || !(texts[count++] = text_from_json(item)))
            return false;
    }
    return texts != NULL;
}

/* A whole number from least to most. */
static bool read_number(const cJSON *item, double least, double most, double *ret) {
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= least && item->valuedouble <= most))
        return false;
    *ret = item->valuedouble;
    return *ret == (double)(int64_t)*ret;
}

static cJSON *write_i32(const void *field) {
    return cJSON_CreateNumber(*(const int32_t *)field);
}

static bool read_i32(const cJSON *item, void *field) {
    double value;
    if (!read_number(item, INT32_MIN, INT32_MAX, &value))
        return false;
    *(int32_t *)field = (int32_t)value;
    return true;
}

static cJSON *write_u32(const void *field) {
    return cJSON_CreateNumber(*(const uint32_t *)field);
}

static bool read_u32(const cJSON *item, void *field) {
    double value;
    if (!read_number(item, 0, UINT32_MAX, &value))
        return false;
    *(uint32_t *)field = (uint32_t)value;
    return true;
}

static cJSON *write_u64(const void *field) {
    return cJSON_CreateNumber((double)*(const uint64_t *)field);
}

static bool read_u64(const cJSON *item, void *field) {
    double value;
    if (!read_number(item, 0, (double)INTEGER_MAX, &value))
        return false;
    *(uint64_t *)field = (uint64_t)value;
    return true;
}

static cJSON *write_bool(const void *field) {
    return cJSON_CreateBool(*(const bool *)field);
}

static bool read_bool(const cJSON *item, void *field) {
    *(bool *)field = cJSON_IsTrue(item);
    return cJSON_IsBool(item);
}

static cJSON *write_mask(const void *field) {
    char text[32];
    snprintf(text, sizeof(text), "0x%016" PRIx64, *(const uint64_t *)field);
    return cJSON_CreateString(text);
}

static bool read_mask(const cJSON *item, void *field) {
    const char *text = cJSON_IsString(item) ? item->valuestring : "";
    size_t digits = strncmp(text, "0x", 2) == 0 ? strspn(text + 2, "0123456789abcdef") : 0;
    if (!digits || digits > 16 || text[2 + digits])
        return false;
    *(uint64_t *)field = strtoull(text, NULL, 16);
    return true;
}

static void format_time(const struct timespec *time, char ret[64]) {
    struct tm parts;
    if (!gmtime_r(&time->tv_sec, &parts))
        memset(&parts, 0, sizeof(parts));
    size_t size = strftime(ret, 40, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(ret + size, 64 - size, ".%06ldZ", time->tv_nsec / 1000);
}

/* A time of zero has not come yet. */
static cJSON *write_time(const void *field) {
    const struct timespec *time = field;
    char text[64];
    if (!time->tv_sec && !time->tv_nsec)
        return cJSON_CreateNull();
    format_time(time, text);
    return cJSON_CreateString(text);
}

/* Strict without effort: what was read must be what we would write. */
static bool read_time(const cJSON *item, void *field) {
    struct tm parts = {0};
    struct timespec time = {0};
    long micros;
    char text[64];
    int used = 0;
    if (cJSON_IsNull(item)) {
        *(struct timespec *)field = time;
        return true;
    }
    if (!cJSON_IsString(item) || strlen(item->valuestring) != strlen("YYYY-MM-DDTHH:MM:SS.uuuuuuZ") ||
        sscanf(item->valuestring, "%4d-%2d-%2dT%2d:%2d:%2d.%6ldZ%n", &parts.tm_year, &parts.tm_mon,
               &parts.tm_mday, &parts.tm_hour, &parts.tm_min, &parts.tm_sec, &micros, &used) != 7 ||
        micros < 0)
        return false;
    parts.tm_year -= 1900;
    parts.tm_mon -= 1;
    time.tv_sec = timegm(&parts);
    time.tv_nsec = micros * 1000;
    format_time(&time, text);
    *(struct timespec *)field = time;
    return strcmp(text, item->valuestring) == 0;
}

static const char *const state_names[] = {
    [RECORDING_RUNNING] = "recording", [RECORDING_COMPLETE] = "complete"};
static const char *const end_names[] = {[END_UNKNOWN] = "unknown",
                                        [END_EXITED] = "exited",
                                        [END_SIGNALED] = "signaled",
                                        [END_STOPPED] = "stopped"};

/* Index of the string item in names, or -1. */
static int read_name(const cJSON *item, const char *const *names, int count) {
    for (int i = 0; cJSON_IsString(item) && i < count; i++) {
        if (strcmp(item->valuestring, names[i]) == 0)
            return i;
    }
    return -1;
}

static cJSON *write_state(const void *field) {
    return cJSON_CreateString(state_names[*(const enum recording_state *)field]);
}

static bool read_state(const cJSON *item, void *field) {
    int state = read_name(item, state_names, 2);
    *(enum recording_state *)field = state < 0 ? RECORDING_RUNNING : (enum recording_state)state;
    return state >= 0;
}

/* These two take the whole info: "end" holds three of its fields. */
static cJSON *write_end(const void *field) {
    const struct recording_info *info = field;
    if (info->end == END_UNKNOWN)
        return cJSON_CreateNull();
    cJSON *object = cJSON_CreateObject(), *why = info->why ? text_to_json(info->why) : cJSON_CreateNull();
    if (object && why && cJSON_AddStringToObject(object, "how", end_names[info->end]) &&
        cJSON_AddNumberToObject(object, "status", info->status) && cJSON_AddItemToObject(object, "why", why))
        return object;
    cJSON_Delete(why);
    cJSON_Delete(object);
    return NULL;
}

static bool read_end(const cJSON *item, void *field) {
    struct recording_info *info = field;
    if (cJSON_IsNull(item))
        return true;
    const cJSON *why = cJSON_GetObjectItemCaseSensitive(item, "why");
    int end = read_name(cJSON_GetObjectItemCaseSensitive(item, "how"), end_names, END_STOPPED + 1);
    if (end <= END_UNKNOWN || !why ||
        !read_i32(cJSON_GetObjectItemCaseSensitive(item, "status"), &info->status))
        return false;
    info->end = (enum recording_end)end;
    return cJSON_IsNull(why) || read_text(why, &info->why);
}

static const char *const start_names[] = {
    [START_LAUNCH] = "launch", [START_FORK] = "fork", [START_EXEC] = "exec"};

static cJSON *write_start(const void *field) {
    return cJSON_CreateString(start_names[*(const enum process_start *)field]);
}

static bool read_start(const cJSON *item, void *field) {
    int start = read_name(item, start_names, START_EXEC + 1);
    *(enum process_start *)field = start < 0 ? START_LAUNCH : (enum process_start)start;
    return start >= 0;
}

static cJSON *write_how(const void *field) {
    return cJSON_CreateString(end_names[*(const enum recording_end *)field]);
}

static bool read_how(const cJSON *item, void *field) {
    int end = read_name(item, end_names, END_STOPPED);
    *(enum recording_end *)field = end < 0 ? END_UNKNOWN : (enum recording_end)end;
    return end >= 0;
}

static cJSON *write_optional(const void *field) {
    const char *text = *(char *const *)field;
    return text ? text_to_json(text) : cJSON_CreateNull();
}

static bool read_optional(const cJSON *item, void *field) {
    *(char **)field = NULL;
    return cJSON_IsNull(item) || read_text(item, field);
}

/* A key of an object, and the member of a struct that it holds. */
struct field {
    const char *key;
    size_t offset;
    cJSON *(*write)(const void *field);
    bool (*read)(const cJSON *item, void *field);
    const char *expected; /* for errors */
};

static cJSON *write_object(const struct field *fields, size_t count, const void *from) {
    cJSON *object = cJSON_CreateObject();
    for (size_t i = 0; object && i < count; i++) {
        cJSON *item = fields[i].write((const char *)from + fields[i].offset);
        if (!item || !cJSON_AddItemToObjectCS(object, fields[i].key, item)) {
            cJSON_Delete(item);
            cJSON_Delete(object);
            return NULL;
        }
    }
    return object;
}

/* ---- the keys of a process, in their order ---- */

#define FIELD(key, type, member, expected)                                                                   \
    { key, offsetof(struct recording_process, member), write_##type, read_##type, expected }

static const struct field process_fields[] = {
    FIELD("domain", u32, domain, ""),
    FIELD("pid", i32, pid, ""),
    FIELD("ppid", i32, ppid, ""),
    FIELD("start", start, start, ""),
    FIELD("origin_domain", u32, origin_domain, ""),
    FIELD("origin_event", u64, origin_event, ""),
    FIELD("program", text, program, ""),
    FIELD("argv", texts, argv, ""),
    FIELD("started", time, started, ""),
    FIELD("ended", time, ended, ""),
    FIELD("end", how, end, ""),
    FIELD("status", i32, status, ""),
    FIELD("core", bool, core, ""),
    FIELD("stopped", optional, stopped, ""),
    FIELD("segments", u32, segments, ""),
    FIELD("events", u64, events, ""),
};
#undef FIELD

#define PROCESS_FIELD_COUNT (sizeof(process_fields) / sizeof(*process_fields))

static cJSON *write_processes(const void *field) {
    const struct recording_processes *processes = field;
    cJSON *array = cJSON_CreateArray();
    for (size_t i = 0; array && i < processes->count; i++) {
        cJSON *item = write_object(process_fields, PROCESS_FIELD_COUNT, &processes->list[i]);
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
static bool read_processes(const cJSON *array, void *field) {
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

#define FIELD(key, type, member, expected)                                                                   \
    { key, offsetof(struct recording_info, member), write_##type, read_##type, expected }

static const struct field fields[] = {
    FIELD("format_version", u32, format_version, "a whole number"),
    FIELD("feature_mask", mask, features, "a hexadecimal number such as \"0x0\""),
    FIELD("state", state, state, "\"recording\" or \"complete\""),
    FIELD("reel_version", text, reel_version, "a string"),
    FIELD("program", text, program, "a string"),
    FIELD("argv", texts, argv, "an array of strings"),
    FIELD("cwd", text, cwd, "a string"),
    FIELD("pid", i32, pid, "a whole number"),
    FIELD("uid", i32, uid, "a whole number"),
    FIELD("started", time, started, "a time such as \"2026-01-15T10:30:45.123456Z\""),
    FIELD("ended", time, ended, "null or a time such as \"2026-01-15T10:30:45.123456Z\""),
    /* The offset of state is 0: the function gets the whole info. */
    FIELD("end", end, state, "null or an object with \"how\", \"status\" and \"why\""),
    FIELD("segments", u32, segments, "a whole number"),
    FIELD("events", u64, events, "a whole number"),
    FIELD("processor", i32, processor, "a whole number"),
    FIELD("chaos", bool, chaos, "true or false"),
    FIELD("chaos_seed", mask, chaos_seed, "a hexadecimal number such as \"0x0\""),
    FIELD("check_memory", bool, check_memory, "true or false"),
    FIELD("host", text, host, "a string"),
    FIELD("kernel", text, kernel, "a string"),
    FIELD("cpu", text, cpu, "a string"),
    FIELD("env", texts, env, "an array of strings"),
    FIELD("processes", processes, processes, "an array of processes, in the order of their domains"),
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
    cJSON *root = write_object(fields, FIELD_COUNT, info);
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
        if (!item && fields[i].read == read_processes && !(info->features & FEATURE_PROCESSES))
            continue; /* recordings were of one process once */
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
