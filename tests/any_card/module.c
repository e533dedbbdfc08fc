/* A PKCS#11 module for tests: one token, and whatever HOW says that is wrong with it. No header is needed: the list of functions is
   a version and 68 pointers in the order of the specification (PKCS#11 2.40, CK_FUNCTION_LIST). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned long number;
struct attribute { number type; void *value; number length; };

#define OK 0
#define TYPE_INVALID 0x12
#define SENSITIVE_SIZE ((number)-1)

/* Whatever is not needed to list: nobody may call it. */
static number forbidden(void) { abort(); }

static number initialize(void *arguments) {
    (void)arguments;
    if (!strcmp(HOW, "crashes")) { volatile int *nowhere = 0; *nowhere = 1; }
    if (!strcmp(HOW, "aborts")) abort();
    if (!strcmp(HOW, "exits")) exit(0);
    if (!strcmp(HOW, "hangs")) for (;;) pause();
    if (!strcmp(HOW, "refuses")) return 0x30; /* CKR_DEVICE_ERROR */
    if (!strcmp(HOW, "prints")) { printf("{\"Ok\":1}\ndone\n"); fflush(stdout); }
    if (!strcmp(HOW, "floods")) {
        static char text[1 << 20];
        memset(text, 'x', sizeof text);
        for (int i = 0; i < 16; i++) { (void)!write(1, text, sizeof text); (void)!write(2, text, sizeof text); }
    }
    return OK;
}

static number done(void *unused) {
    (void)unused;
    if (!strcmp(HOW, "crashes-last")) { volatile int *nowhere = 0; *nowhere = 1; }
    return OK;
}

static number get_info(unsigned char *info) { /* CK_INFO */
    memset(info, 0, 88);
    memset(info + 2, ' ', 32);
    memset(info + 48, ' ', 32);
    memcpy(info + 2, "test", 4);
    return OK;
}

static number slot_list(unsigned char present, number *slots, number *count) {
    (void)present;
    if (slots) slots[0] = 7;
    *count = 1;
    return OK;
}

static number slot_info(number slot, unsigned char *info) { /* CK_SLOT_INFO */
    (void)slot;
    memset(info, ' ', 96);
    memset(info + 96, 0, 16);
    memcpy(info, "a \033[31mslot", 10);
    return OK;
}

static number token_info(number slot, unsigned char *info) { /* CK_TOKEN_INFO */
    (void)slot;
    memset(info, ' ', 96);
    memset(info + 96, 0, 208 - 96);
    memcpy(info, "\033]0;evil\007", 9);
    return OK;
}

static number open_session(number slot, number flags, void *application, void *notify, number *session) {
    (void)slot, (void)application, (void)notify;
    if (flags & 2) abort(); /* CKF_RW_SESSION */
    *session = 1;
    return OK;
}

static number close_session(number session) { (void)session; return OK; }

static number find_init(number session, struct attribute *template, number count) {
    (void)session, (void)template, (void)count;
    return OK;
}

static number find(number session, number *objects, number most, number *count) {
    static number next;
    (void)session;
    *count = 0;
    while (*count < most && (!strcmp(HOW, "endless") || next < 3)) objects[(*count)++] = ++next;
    return OK;
}

static number get(number session, number object, struct attribute *wanted, number count) {
    number result = OK;
    (void)session;
    for (number i = 0; i < count; i++) {
        static number class;
        const void *value = 0;
        number length = 0;
        class = 2; /* CKO_PUBLIC_KEY */
        if (wanted[i].type == 0) { value = &class; length = sizeof class; }
        if (wanted[i].type == 3) { value = "\r\033[2Klabel"; length = 10; }
        if (wanted[i].type == 0x102) { value = "\001\002"; length = 2; }
        if (wanted[i].type == 0x11 || wanted[i].type == 0x123) abort(); /* CKA_VALUE of a key, CKA_PRIVATE_EXPONENT */
        if (wanted[i].type == 0x129 && object == 1) { wanted[i].length = 1ul << 40; continue; }
        if (!value) { wanted[i].length = SENSITIVE_SIZE; result = TYPE_INVALID; continue; }
        if (wanted[i].value) memcpy(wanted[i].value, value, length);
        wanted[i].length = length;
    }
    return result;
}

static struct { unsigned char version[2]; void *function[68]; } list;

number C_GetFunctionList(void **to) {
    list.version[0] = 2;
    list.version[1] = 40;
    for (int i = 0; i < 68; i++) list.function[i] = (void *)forbidden;
    list.function[0] = (void *)initialize;
    list.function[1] = (void *)done;
    list.function[2] = (void *)get_info;
    list.function[4] = (void *)slot_list;
    list.function[5] = (void *)slot_info;
    list.function[6] = (void *)token_info;
    list.function[12] = (void *)open_session;
    list.function[13] = (void *)close_session;
    list.function[24] = (void *)get;
    list.function[26] = (void *)find_init;
    list.function[27] = (void *)find;
    list.function[28] = (void *)close_session;
    *to = &list;
    return OK;
}
