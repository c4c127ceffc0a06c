#include "replay/recording_json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The largest integer: cJSON reads doubles and writes 15 digits. */
#define INTEGER_MAX UINT64_C(999999999999999)

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

cJSON *json_write_text(const void *field) {
    return text_to_json(*(char *const *)field);
}

bool json_read_text(const cJSON *item, void *field) {
    char *text = text_from_json(item);
    *(char **)field = text;
    return text != NULL;
}

cJSON *json_write_texts(const void *field) {
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

bool json_read_texts(const cJSON *array, void *field) {
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

cJSON *json_write_i32(const void *field) {
    return cJSON_CreateNumber(*(const int32_t *)field);
}

bool json_read_i32(const cJSON *item, void *field) {
    double value;
    if (!read_number(item, INT32_MIN, INT32_MAX, &value))
        return false;
    *(int32_t *)field = (int32_t)value;
    return true;
}

cJSON *json_write_u32(const void *field) {
    return cJSON_CreateNumber(*(const uint32_t *)field);
}

bool json_read_u32(const cJSON *item, void *field) {
    double value;
    if (!read_number(item, 0, UINT32_MAX, &value))
        return false;
    *(uint32_t *)field = (uint32_t)value;
    return true;
}

cJSON *json_write_u64(const void *field) {
    return cJSON_CreateNumber((double)*(const uint64_t *)field);
}

bool json_read_u64(const cJSON *item, void *field) {
    double value;
    if (!read_number(item, 0, (double)INTEGER_MAX, &value))
        return false;
    *(uint64_t *)field = (uint64_t)value;
    return true;
}

cJSON *json_write_bool(const void *field) {
    return cJSON_CreateBool(*(const bool *)field);
}

bool json_read_bool(const cJSON *item, void *field) {
    *(bool *)field = cJSON_IsTrue(item);
    return cJSON_IsBool(item);
}

cJSON *json_write_mask(const void *field) {
    char text[32];
    snprintf(text, sizeof(text), "0x%016" PRIx64, *(const uint64_t *)field);
    return cJSON_CreateString(text);
}

bool json_read_mask(const cJSON *item, void *field) {
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
cJSON *json_write_time(const void *field) {
    const struct timespec *time = field;
    char text[64];
    if (!time->tv_sec && !time->tv_nsec)
        return cJSON_CreateNull();
    format_time(time, text);
    return cJSON_CreateString(text);
}

/* Strict without effort: what was read must be what we would write. */
bool json_read_time(const cJSON *item, void *field) {
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

cJSON *json_write_optional(const void *field) {
    const char *text = *(char *const *)field;
    return text ? text_to_json(text) : cJSON_CreateNull();
}

bool json_read_optional(const cJSON *item, void *field) {
    *(char **)field = NULL;
    return cJSON_IsNull(item) || json_read_text(item, field);
}

/* Index of the string item in names, or -1. */
int json_read_name(const cJSON *item, const char *const *names, int count) {
    for (int i = 0; cJSON_IsString(item) && i < count; i++) {
        if (strcmp(item->valuestring, names[i]) == 0)
            return i;
    }
    return -1;
}

cJSON *json_write_object(const struct json_field *fields, size_t count, const void *from) {
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
