/* A locale loaded at run time, wide characters and iconv through a loaded converter module. */
/* expect: exit 0 */
#include "victim.h"
#include <iconv.h>
#include <locale.h>
#include <wchar.h>
#include <wctype.h>

int main(void) {
    const char *locale = setlocale(LC_ALL, "C.UTF-8");
    printf("locale %s at %p, point %s\n", locale ? locale : "none", (const void *)locale,
           localeconv()->decimal_point);
    wchar_t wide[40];
    size_t count = mbstowcs(wide, "Žluťoučký kůň 😀", 40);
    uint64_t sum = 0;
    for (size_t i = 0; i < count && count != (size_t)-1; i++)
        sum = sum * 31 + (uint64_t)towupper((wint_t)wide[i]) + (uint64_t)wcwidth(wide[i]);
    printf("%zd characters %lx\n", (ssize_t)count, (unsigned long)sum);
    char text[100], out[400];
    int length = snprintf(text, sizeof text, "pid %d € 😀 %p", (int)getpid(), (void *)text);
    const char *const names[] = {"UTF-16", "UTF-32LE", "ISO-8859-15//TRANSLIT", "EUC-JP"};
    for (size_t i = 0; i < 4; i++) {
        iconv_t converter = iconv_open(names[i], "UTF-8");
        if (converter == (iconv_t)-1) {
            printf("%s errno %d\n", names[i], errno);
            continue;
        }
        char *from = text, *to = out;
        size_t left = (size_t)length, room = sizeof out;
        SHOW(iconv(converter, &from, &left, &to, &room));
        printf("%s at %p: %zu bytes %016lx\n", names[i], (void *)converter, sizeof out - room,
               (unsigned long)hash_bytes(out, sizeof out - room));
        iconv_close(converter);
    }
    return 0;
}
