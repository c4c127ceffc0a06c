/* The times of a trace (trace/event.h). Days are turned into dates by the arithmetic of the Gregorian
 * calendar, since gmtime_r() is too slow for each event and knows years that have no four digits. */
#include "trace/event.h"

#include <string.h>

enum {
    DAY_SECONDS = 86400,
    CYCLE_DAYS = 146097 /* of 400 years */,
    EPOCH_DAYS = 719468 /* 0000-03-01 to 1970 */
};

struct date {
    unsigned year, month, day;
};

/* Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days: years begin in March. */
static struct date date_of_days(uint64_t days) {
    days += EPOCH_DAYS;
    unsigned cycle = (unsigned)(days / CYCLE_DAYS), of_cycle = (unsigned)(days % CYCLE_DAYS);
    unsigned year = (of_cycle - of_cycle / 1460 + of_cycle / 36524 - of_cycle / 146096) / 365;
    unsigned of_year = of_cycle - (365 * year + year / 4 - year / 100);
    unsigned month = (5 * of_year + 2) / 153; /* from March = 0 */
    return (struct date){.year = year + cycle * 400 + (month >= 10),
                         .month = month < 10 ? month + 3 : month - 9,
                         .day = of_year - (153 * month + 2) / 5 + 1};
}

/* days_from_civil of the same. */
static uint64_t days_of_date(struct date date) {
    unsigned year = date.year - (date.month <= 2), cycle = year / 400, of_cycle = year % 400;
    unsigned of_year = (153 * (date.month > 2 ? date.month - 3 : date.month + 9) + 2) / 5 + date.day - 1;
    return (uint64_t)cycle * CYCLE_DAYS + of_cycle * 365 + of_cycle / 4 - of_cycle / 100 + of_year -
           EPOCH_DAYS;
}

static void put_digits(char *ret, unsigned value, int count) {
    while (count--) {
        ret[count] = (char)('0' + value % 10);
        value /= 10;
    }
}

/* uint64_t nanoseconds end in the year 2554: four digits are enough. */
void trace_time_put(uint64_t timestamp_ns, char *ret) {
    uint64_t seconds = timestamp_ns / 1000000000;
    struct date date = date_of_days(seconds / DAY_SECONDS);
    unsigned of_day = (unsigned)(seconds % DAY_SECONDS);
    memcpy(ret, "0000-00-00T00:00:00.000000", TRACE_TIME_SIZE);
    put_digits(ret, date.year, 4);
    put_digits(ret + 5, date.month, 2);
    put_digits(ret + 8, date.day, 2);
    put_digits(ret + 11, of_day / 3600, 2);
    put_digits(ret + 14, of_day / 60 % 60, 2);
    put_digits(ret + 17, of_day % 60, 2);
    put_digits(ret + 20, (unsigned)(timestamp_ns / 1000 % 1000000), 6);
}

static bool get_digits(const char *text, int count, unsigned least, unsigned most, unsigned *ret) {
    *ret = 0;
    for (int i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *ret = *ret * 10 + (unsigned)(text[i] - '0');
    }
    return *ret >= least && *ret <= most;
}

/* ".123456", 0 to 9 digits, and "Z" if it is there. */
static bool parse_fraction(const char *text, size_t size, uint64_t *ret_ns) {
    uint64_t value = 0, unit = 1000000000;
    size_t at = 0;
    if (size && text[size - 1] == 'Z')
        size--;
    if (at < size && text[at++] != '.')
        return false;
    if (size - at > 9)
        return false;
    for (; at < size; at++) {
        if (text[at] < '0' || text[at] > '9')
            return false;
        value = value * 10 + (uint64_t)(text[at] - '0');
        unit /= 10;
    }
    *ret_ns = value * unit;
    return true;
}

bool trace_time_parse(const char *text, size_t size, uint64_t *ret_ns) {
    struct date date;
    unsigned hour, minute, second;
    uint64_t fraction;
    if (size < 19 || text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != ' ') ||
        text[13] != ':' || text[16] != ':')
        return false;
    if (!get_digits(text, 4, 1970, 2553, &date.year) || !get_digits(text + 5, 2, 1, 12, &date.month) ||
        !get_digits(text + 8, 2, 1, 31, &date.day) || !get_digits(text + 11, 2, 0, 23, &hour) ||
        !get_digits(text + 14, 2, 0, 59, &minute) || !get_digits(text + 17, 2, 0, 60, &second) ||
        !parse_fraction(text + 19, size - 19, &fraction))
        return false;
    *ret_ns = (days_of_date(date) * DAY_SECONDS + hour * 3600 + minute * 60 + second) * 1000000000 + fraction;
    return true;
}
