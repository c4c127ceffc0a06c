/* capture.h for victims in other languages, which call through the address that they are given. */
#include "capture.h"

void set_capture(void (*target)(void), int number);
void (*capture_address(void))(void);

void set_capture(void (*target)(void), int number) {
    capture_target = target;
    capture_number = number;
}

void (*capture_address(void))(void) {
    return capture;
}
