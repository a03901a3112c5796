/* Made by a program: inputs, and what headgate.core.json says about them. */

static const struct string_row STRINGS[] = {
    {"\"", 1, HG_NO_FAULT, 0}, {"a\"", 2, HG_NO_FAULT, 1}, {"0123456789abcde\"", 16, HG_NO_FAULT, 15},
    {"0123456789abcdef\"", 17, HG_NO_FAULT, 16}, {"0123456789abcdefg\"", 18, HG_NO_FAULT, 17},
    {"a\\\"b\"", 5, HG_NO_FAULT, 3}, {"\\\\\"", 3, HG_NO_FAULT, 1}, {"\\/\\b\\f\\n\\r\\t\"", 13, HG_NO_FAULT, 6},
    {"\\u0041\\u00e9\\u20AC\"", 19, HG_NO_FAULT, 3}, {"\\ud83d\\ude00\"", 13, HG_NO_FAULT, 1},
    {"\\uD83D\\uDE00!\"", 14, HG_NO_FAULT, 2}, {"\\u0000\"", 7, HG_NO_FAULT, 1}, {"\303\251\"", 3, HG_NO_FAULT, 1},
    {"\342\202\254\"", 4, HG_NO_FAULT, 1}, {"\360\237\230\200\"", 5, HG_NO_FAULT, 1},
    {"\364\217\277\277\"", 5, HG_NO_FAULT, 1}, {"\355\237\277\"", 4, HG_NO_FAULT, 1},
    {"\356\200\200\"", 4, HG_NO_FAULT, 1}, {"\177\"", 2, HG_NO_FAULT, 1}, {"", 0, HG_UNEXPECTED_END, 0},
    {"abc", 3, HG_UNEXPECTED_END, 3}, {"\\", 1, HG_UNEXPECTED_END, 1}, {"\\\"", 2, HG_UNEXPECTED_END, 2},
    {"0123456789abcdef0123456789", 26, HG_UNEXPECTED_END, 26}, {"\303", 1, HG_UNEXPECTED_END, 1},
    {"\342\202", 2, HG_UNEXPECTED_END, 2}, {"\000\"", 2, HG_CONTROL_CHARACTER, 0},
    {"\037\"", 2, HG_CONTROL_CHARACTER, 0}, {"ab\012\"", 4, HG_CONTROL_CHARACTER, 2},
    {"0123456789abcdef\011\"", 18, HG_CONTROL_CHARACTER, 16}, {"\200\"", 2, HG_INVALID_UTF8, 0},
    {"\277\"", 2, HG_INVALID_UTF8, 0}, {"\300\200\"", 3, HG_INVALID_UTF8, 0}, {"\301\277\"", 3, HG_INVALID_UTF8, 0},
    {"\303\"", 2, HG_INVALID_UTF8, 0}, {"\303a\"", 3, HG_INVALID_UTF8, 0}, {"\340\237\277\"", 4, HG_INVALID_UTF8, 0},
    {"\342\202\"", 3, HG_INVALID_UTF8, 0}, {"\342a\254\"", 4, HG_INVALID_UTF8, 0},
    {"\355\240\200\"", 4, HG_INVALID_UTF8, 0}, {"\355\277\277\"", 4, HG_INVALID_UTF8, 0},
    {"\360\217\277\277\"", 5, HG_INVALID_UTF8, 0}, {"\360\237\230\"", 4, HG_INVALID_UTF8, 0},
    {"\360\237\"", 3, HG_INVALID_UTF8, 0}, {"\364\220\200\200\"", 5, HG_INVALID_UTF8, 0},
    {"\365\200\200\200\"", 5, HG_INVALID_UTF8, 0}, {"\377\"", 2, HG_INVALID_UTF8, 0},
    {"ok\303\251\377\"", 6, HG_INVALID_UTF8, 4}, {"\377\001\"", 3, HG_CONTROL_CHARACTER, 1},
    {"\377\\n\001\"", 5, HG_INVALID_UTF8, 0}, {"\377", 1, HG_UNEXPECTED_END, 1}, {"\001", 1, HG_UNEXPECTED_END, 1},
    {"\\x\"", 3, HG_INVALID_ESCAPE, 0}, {"\\\"", 2, HG_UNEXPECTED_END, 2}, {"\\a\"", 3, HG_INVALID_ESCAPE, 0},
    {"\\U0041\"", 7, HG_INVALID_ESCAPE, 0}, {"\\u\"", 3, HG_INVALID_ESCAPE, 0}, {"\\u1\"", 4, HG_INVALID_ESCAPE, 0},
    {"\\u12\"", 5, HG_INVALID_ESCAPE, 0}, {"\\u123\"", 6, HG_INVALID_ESCAPE, 0}, {"\\u123g\"", 7, HG_INVALID_ESCAPE, 0},
    {"\\ug123\"", 7, HG_INVALID_ESCAPE, 0}, {"\\u-123\"", 7, HG_INVALID_ESCAPE, 0},
    {"\\ud800\"", 7, HG_LONE_SURROGATE, 0}, {"\\ud800x\"", 8, HG_LONE_SURROGATE, 0},
    {"\\udc00\"", 7, HG_LONE_SURROGATE, 0}, {"\\udbff\\udbff\"", 13, HG_LONE_SURROGATE, 0},
    {"\\ud800\\n\"", 9, HG_LONE_SURROGATE, 0}, {"\\ud800\\u\"", 9, HG_INVALID_ESCAPE, 6},
    {"\\ud800\\u0041\"", 13, HG_LONE_SURROGATE, 0}, {"\\ud800\\ude0\"", 12, HG_INVALID_ESCAPE, 6},
    {"\\ud800\\ude0g\"", 13, HG_INVALID_ESCAPE, 6}, {"\\udfff\\ud800\"", 13, HG_LONE_SURROGATE, 0},
    {"\\ud800", 6, HG_UNEXPECTED_END, 6}, {"\\u12", 4, HG_UNEXPECTED_END, 4}, {"a\\ud800\\", 8, HG_UNEXPECTED_END, 8},
    {"x\\q\377\"", 5, HG_INVALID_ESCAPE, 1}, {"\377\\q\"", 4, HG_INVALID_UTF8, 0},
    {"\002\\q\"", 4, HG_CONTROL_CHARACTER, 0}, {"\\q\002\"", 4, HG_INVALID_ESCAPE, 0},
    {"\\ud83d\\ude00\\ud83d\"", 19, HG_LONE_SURROGATE, 12}, {"\\n\303\"", 4, HG_INVALID_UTF8, 2},
    {"\303\\n\"", 4, HG_INVALID_UTF8, 0}, {"a\"b\"", 4, HG_NO_FAULT, 1}, {"\\\"\"x", 4, HG_NO_FAULT, 1},
    {"\\u0022\"", 7, HG_NO_FAULT, 1}, {"\\u005c\"", 7, HG_NO_FAULT, 1}, {"\000", 1, HG_UNEXPECTED_END, 1},
    {"a\303\251\\ud800\\u\\ud800\\ud83d\\ude00\"", 30, HG_INVALID_ESCAPE, 9},
    {"\303\251\\n\\ud800\\u\\u12\"", 17, HG_INVALID_ESCAPE, 10},
    {"\\ud83d\\ude00\\ud800\303\251\360\237\230"
     "\200\\u00e9\000\"", 32, HG_LONE_SURROGATE, 12}, {"\\n\303\251\342\202\\u00e9\300\200\"", 15, HG_INVALID_UTF8, 4},
    {"\000a\303\251\360\237\230\2000123456789abcde"
     "f\360\237\230\200\342\202\254\\u12\"", 36, HG_CONTROL_CHARACTER, 0},
    {"\360\237\230\200a0123456789abcdef\001\303"
     "\251\300\200\360\237\230\200", 30, HG_UNEXPECTED_END, 30},
    {"\355\240\200\360\237\230\200a0123456789abcde"
     "f\"", 25, HG_INVALID_UTF8, 0},
    {"a\\ud83d\\ude00\\udc00\\u00e90123456789abcde"
     "f\"", 42, HG_LONE_SURROGATE, 13}, {"\342\202\360\237\230\200\"", 7, HG_INVALID_UTF8, 0},
    {"\303\251\342\202\\u00e9\\u00e9\300\200\360"
     "\237\230\200\\ud83d\\ude00\\n\"", 37, HG_INVALID_UTF8, 2},
    {"\\ud83d\\ude00\\u00e9\\ud800aa\\ud800\\u\"", 35, HG_LONE_SURROGATE, 18},
    {"0123456789abcdef\\n0123456789abcdef\342\202"
     "\\ud83d\\ude00\"", 49, HG_INVALID_UTF8, 34},
    {"\\ud800\\u\\ud83d\\ude00\\na\342\202\254\342"
     "\202\254\"", 30, HG_INVALID_ESCAPE, 6},
    {"\360\237\230\200\\u00e9\342\202\254\303\251"
     "\"", 16, HG_NO_FAULT, 4}, {"\360\237\230\200\\u00e9\"", 11, HG_NO_FAULT, 2},
    {"\\n\342\202\\x\"", 7, HG_INVALID_UTF8, 2}, {"\\x\001\\ud83d\\ude00", 15, HG_UNEXPECTED_END, 15},
    {"\342\202\\ud83d\\ude00\360\237\230\200a\"", 20, HG_INVALID_UTF8, 0},
    {"0123456789abcdefa0123456789abcdefa\355\240"
     "\200\"", 38, HG_INVALID_UTF8, 34},
    {"\303\251\\u00e9\342\202\254\303\251\342\202"
     "\254\"", 17, HG_NO_FAULT, 5}, {"\\ud83d\\ude00\\ud800\342\202\254\\u00e9", 27, HG_UNEXPECTED_END, 27},
    {"0123456789abcdef\\ud800\"", 23, HG_LONE_SURROGATE, 16},
    {"\\ud83d\\ude00\342\202\254a0123456789abcdef"
     "\\u00e9\\n\"", 41, HG_NO_FAULT, 21}, {"\\ud83d\\ude00\303\251\001\"", 16, HG_CONTROL_CHARACTER, 14},
    {"a\342\202\2540123456789abcdef\360\237\230"
     "\200", 24, HG_UNEXPECTED_END, 24}, {"0123456789abcdef\"", 17, HG_NO_FAULT, 16},
    {"\360\237\230\200\000\\n\342\202\254\360\237"
     "\230\200\\u00e9\001\342\202\254\"", 25, HG_CONTROL_CHARACTER, 4},
    {"\\n\\u00e9a\360\237\230\200\342\202\254\"", 17, HG_NO_FAULT, 5},
    {"\342\202\254\\x\360\237\230\2000123456789abc"
     "def\\u00e9\\u00e9\360\237\230\200\\x\"", 44, HG_INVALID_ESCAPE, 3},
    {"\342\202\254\342\202\254\"", 7, HG_NO_FAULT, 2}, {"\\x\\ud83d\\ude00\"", 15, HG_INVALID_ESCAPE, 0},
    {"\\ud800\\u\360\237\230\200\342\202\254\"", 16, HG_INVALID_ESCAPE, 6},
    {"0123456789abcdef\360\237\230\200\360\237\230"
     "\200\000\000\"", 27, HG_CONTROL_CHARACTER, 24},
    {"0123456789abcdef\\u00e9\\ud83d\\ude00\\u00e9"
     "\\ud800\\u\000\"", 50, HG_INVALID_ESCAPE, 46},
    {"\\udc00\\ud83d\\ude00\\ud800\\u\\u00e9\"", 33, HG_LONE_SURROGATE, 0},
    {"\342\202\254\342\202\"", 6, HG_INVALID_UTF8, 3},
    {"\\u00e9\342\202\254\\ud83d\\ude00\\ud800\\u"
     "\001\\u00e9\"", 37, HG_INVALID_ESCAPE, 27},
    {"\342\202\2540123456789abcdef\\ud800\\u\\x\"", 30, HG_INVALID_ESCAPE, 25},
    {"\342\202\254\\na\"", 7, HG_NO_FAULT, 3},
    {"\303\251\000a\\ud83d\\ude00\303\251\360\237"
     "\230\200\"", 23, HG_CONTROL_CHARACTER, 2},
    {"\360\237\230\200\\ud83d\\ude00\342\202\254\\"
     "n\"", 22, HG_NO_FAULT, 4},
    {"\360\237\230\200\360\237\230\200a\001\\ud83d"
     "\\ude00\"", 23, HG_CONTROL_CHARACTER, 9}, {"\\n\303\251\300\200\\u00e9\"", 13, HG_INVALID_UTF8, 4},
    {"a\303\251\342\202\254\342\202\254\\n\\ud800"
     "\\u\"", 20, HG_INVALID_ESCAPE, 17}, {"a0123456789abcdef\"", 18, HG_NO_FAULT, 17},
    {"\\ud800\\u00e9\"", 13, HG_LONE_SURROGATE, 0},
    {"a\\ud83d\\ude00\\x\303\251\\u00e9\303\251"
     "\355\240\200\"", 29, HG_INVALID_ESCAPE, 13},
    {"\303\251\\ud800\\ua\360\237\230\200\\ud83d\\"
     "ude00\300\200\303\251\\u00e9\"", 38, HG_INVALID_ESCAPE, 8},
    {"\360\237\230\200\342\202\254\\n", 9, HG_UNEXPECTED_END, 9},
    {"\\n\360\237\230\200\303\251\303\251\\u00e9"
     "\303\251\"", 19, HG_NO_FAULT, 6}, {"\377\\u00e9\"", 8, HG_INVALID_UTF8, 0},
    {"a\3770123456789abcdef\303\251a\\u12\303\251"
     "\360\237\230\200\"", 32, HG_INVALID_UTF8, 1},
    {"\\n\\ud83d\\ude00a\\n\303\251a\342\202\"", 23, HG_INVALID_UTF8, 20}, {"\303\251\"", 3, HG_NO_FAULT, 1},
    {"\001\\ud83d\\ude00\\ud83d\\ude00\"", 26, HG_CONTROL_CHARACTER, 0},
    {"\\n\\ud83d\\ude00\\n0123456789abcdef\"", 33, HG_NO_FAULT, 19},
    {"\\u00e9\\ud83d\\ude00\360\237\230\200\\x\\u0"
     "0e9\"", 31, HG_INVALID_ESCAPE, 22},
    {"\360\237\230\200\\u00e9\\u12\\ud83d\\ude00a"
     "\"", 28, HG_INVALID_ESCAPE, 10}, {"\\x\360\237\230\200\"", 7, HG_INVALID_ESCAPE, 0},
    {"\360\237\230\200\303\251\360\237\230\2000123"
     "456789abcdef\000\355\240\200\342\202\254", 33, HG_UNEXPECTED_END, 33},
    {"0123456789abcdef0123456789abcdef\"", 33, HG_NO_FAULT, 32},
    {"\342\202\254\\ud83d\\ude00\377a\"", 18, HG_INVALID_UTF8, 15}, {"a\"", 2, HG_NO_FAULT, 1},
    {"0123456789abcdef\360\237\230\200\342\202\254"
     "a\\n\355\240\2000123456789abcdef\"", 46, HG_INVALID_UTF8, 26},
    {"\001\360\237\230\200\303\251\\ud800\\u\"", 16, HG_CONTROL_CHARACTER, 0},
    {"\\u00e90123456789abcdef\342\202\\u00e9\\ud83"
     "d\\ude00\377\303\251\\n\"", 48, HG_INVALID_UTF8, 22}, {"\\u00e9\\na\303\251a\\n\"", 15, HG_NO_FAULT, 6},
    {"\000\\ud800\\u\\n\360\237\230\200\303\251\\u"
     "d83d\\ude00\\n\303\251\"", 34, HG_CONTROL_CHARACTER, 0},
    {"\\ud83d\\ude00\342\202\254\\ud83d\\ude00\000"
     "\342\202\254\\n", 33, HG_UNEXPECTED_END, 33}, {"\\ud83d\\ude00\\ud83d\\ude00\"", 25, HG_NO_FAULT, 2},
    {"\\ud83d\\ude00\"", 13, HG_NO_FAULT, 1},
    {"\001\\ud83d\\ude000123456789abcdef\342\202"
     "\254\303\251\"", 35, HG_CONTROL_CHARACTER, 0},
    {"\342\202\2540123456789abcdef\\ud83d\\ude00a0"
     "123456789abcdef\"", 49, HG_NO_FAULT, 35}, {"\303\251\303\251\342\202\254\\n\\n\"", 12, HG_NO_FAULT, 5},
    {"\377\\u00e9\360\237\230\200\\u00e9\001\360"
     "\237\230\200\"", 23, HG_INVALID_UTF8, 0},
    {"\360\237\230\200\\x\\u00e9\342\202\254\342"
     "\202\254\001\"", 20, HG_INVALID_ESCAPE, 4}, {"\\ud800\\u\\n\"", 11, HG_INVALID_ESCAPE, 6},
    {"\001\\u00e9\300\200\"", 10, HG_CONTROL_CHARACTER, 0},
    {"a\355\240\2000123456789abcdef\\u00e9\"", 27, HG_INVALID_UTF8, 1},
    {"\\u00e90123456789abcdef\\n0123456789abcdef\"", 41, HG_NO_FAULT, 34},
    {"\\ud800\342\202\254\\n\342\202\2540123456789"
     "abcdef\"", 31, HG_LONE_SURROGATE, 0},
    {"a\\u00e9\303\251\342\202\342\202a\342\202"
     "\254", 17, HG_UNEXPECTED_END, 17}, {"\342\202\\n\377\342\202\254\"", 9, HG_INVALID_UTF8, 0},
    {"\\u00e90123456789abcdef\377\\n\\x\"", 28, HG_INVALID_UTF8, 22},
    {"\342\202\254\\ud800\\u\000", 12, HG_UNEXPECTED_END, 12},
    {"\\ud83d\\ude00\\u00e9\360\237\230\200\\ud800"
     "\\ud83d\\ude00\\n\"", 43, HG_LONE_SURROGATE, 22}, {"a\\x\342\202\254\342\202", 8, HG_UNEXPECTED_END, 8},
    {"\\u00e9\\x\\ud83d\\ude00\360\237\230\200a\"", 26, HG_INVALID_ESCAPE, 6},
    {"\001\377\\u00e9\\ud83d\\ude00\\u00e9\342\202"
     "\254\303\251\"", 32, HG_CONTROL_CHARACTER, 0},
    {"\\ud83d\\ude00\\ud800\360\237\230\200a012345"
     "6789abcdef\342\202\254\\u00e9\"", 49, HG_LONE_SURROGATE, 12},
    {"\342\202\254\\ud83d\\ude00\000\303\251\342"
     "\202\254\\u00e9\\ud800\303\251", 35, HG_UNEXPECTED_END, 35},
    {"\\u12\\n\\n\300\200\"", 11, HG_INVALID_ESCAPE, 0}, {"\001\303\251a\"", 5, HG_CONTROL_CHARACTER, 0},
    {"\\ud83d\\ude00\\ud83d\\ude00\360\237\230\200"
     "\303\2510123456789abcdef\001a\355\240\200\"", 52, HG_CONTROL_CHARACTER, 46},
    {"\\n0123456789abcdef\\n\303\251\\n\"", 25, HG_NO_FAULT, 20},
    {"0123456789abcdef\001\303\251\303\251\"", 22, HG_CONTROL_CHARACTER, 16},
    {"\\ud83d\\ude00\001\360\237\230\200\\ud83d\\u"
     "de00\\ud800\"", 36, HG_CONTROL_CHARACTER, 12}, {"\360\237\230\200\\n\\ud83d\\ude00\"", 19, HG_NO_FAULT, 3},
    {"\303\2510123456789abcdef\\ud83d\\ude00\"", 31, HG_NO_FAULT, 18},
    {"\377\342\202\254\\ud83d\\ude00\342\202\254\\"
     "x\360\237\230\200\342\202\254\"", 29, HG_INVALID_UTF8, 0},
    {"0123456789abcdef\\n\360\237\230\200\377\355"
     "\240\200\\n\"", 29, HG_INVALID_UTF8, 22},
    {"\\ud83d\\ude00\\ud83d\\ude00\303\251\342\202"
     "\254\"", 30, HG_NO_FAULT, 4}, {"\300\200\\n\"", 5, HG_INVALID_UTF8, 0},
    {"\355\240\200\\ud8000123456789abcdef\"", 26, HG_INVALID_UTF8, 0}, {"\\ud83d\\ude00\"", 13, HG_NO_FAULT, 1},
    {"\342\202\2540123456789abcdef\"", 20, HG_NO_FAULT, 17},
    {"\303\251\360\237\230\200\342\202\254\342\202"
     "\\u00e9a\\n\"", 21, HG_INVALID_UTF8, 9},
    {"\\u00e90123456789abcdef\342\202\254\\n\300"
     "\200\"", 30, HG_INVALID_UTF8, 27},
    {"\342\202\254a\\u00e9\\n\\ud83d\\ude00\\u00e9"
     "\"", 31, HG_NO_FAULT, 6}, {"\\n\\ud83d\\ude00\\u00e9\355\240\200\"", 24, HG_INVALID_UTF8, 20},
    {"0123456789abcdef\"", 17, HG_NO_FAULT, 16},
    {"\300\200\360\237\230\200\360\237\230\200\303"
     "\251\\u00e9\"", 19, HG_INVALID_UTF8, 0},
    {"\\u00e9\\n0123456789abcdef\342\202\254\342"
     "\202\254\"", 31, HG_NO_FAULT, 20}, {"\342\202\254\303\251\\x\\x0123456789abcdef\"", 26, HG_INVALID_ESCAPE, 5},
    {"\342\202\\n\\ud83d\\ude00\\x\342\202\254\"", 22, HG_INVALID_UTF8, 0},
    {"\\udc00\300\200\\ud83d\\ude00\342\202\254\"", 24, HG_LONE_SURROGATE, 0},
    {"\\u00e90123456789abcdef\\u120123456789abcdef"
     "\355\240\200\303\251\"", 48, HG_INVALID_UTF8, 42},
    {"\360\237\230\200\001a\\ud800\\u00e9\"", 19, HG_CONTROL_CHARACTER, 4},
    {"\355\240\200\\ud8000123456789abcdef\"", 26, HG_INVALID_UTF8, 0},
    {"\303\251a\342\202\342\202\254", 8, HG_UNEXPECTED_END, 8},
    {"\300\2000123456789abcdef\\n\303\251\000\"", 24, HG_INVALID_UTF8, 0}, {"\342\202\\n", 4, HG_UNEXPECTED_END, 4},
    {"\\ud83d\\ude00\\x\\ud83d\\ude000123456789abc"
     "def\360\237\230\200a\"", 48, HG_INVALID_ESCAPE, 12}, {"\342\202\254\360\237\230\200\"", 8, HG_NO_FAULT, 2},
    {"a\\ud800\\u\\n\\ud83d\\ude000123456789abcdef"
     "\360\237\230\200\\n\"", 46, HG_INVALID_ESCAPE, 7},
    {"\303\2510123456789abcdef\303\251\377\377\342"
     "\202\254a\360\237\230\200\"", 31, HG_INVALID_UTF8, 20},
    {"\\n\342\202\254\303\251\\u00e9\342\202\254"
     "\360\237\230\200\"", 21, HG_NO_FAULT, 6},
    {"\360\237\230\2000123456789abcdef\\n\\u00e9"
     "\360\237\230\200a\"", 34, HG_NO_FAULT, 21},
    {"\\n\000\360\237\230\200\360\237\230\200\\ud8"
     "00\\u\\n\"", 22, HG_CONTROL_CHARACTER, 2}, {"\342\202\254\\u00e9", 9, HG_UNEXPECTED_END, 9},
    {"\\n\303\2510123456789abcdef\\u00e9\\x\"", 29, HG_INVALID_ESCAPE, 26},
    {"a\360\237\230\200\\ud800\\u\303\251\360\237"
     "\230\200\300\200\"", 22, HG_INVALID_ESCAPE, 11},
    {"\377\342\202\254\\x\303\251a0123456789abcdef"
     "\342\202\254\"", 29, HG_INVALID_UTF8, 0}, {"0123456789abcdef\\ud83d\\ude00\\n\"", 31, HG_NO_FAULT, 18},
    {"\\ud800\342\202\254\303\251\\n\\n0123456789a"
     "bcdef\"", 32, HG_LONE_SURROGATE, 0}, {"\\n0123456789abcdef\"", 19, HG_NO_FAULT, 17},
    {"\360\237\230\2000123456789abcdef\\ud83d\\ude"
     "00\"", 33, HG_NO_FAULT, 18},
    {"\342\2020123456789abcdef\360\237\230\2000123"
     "456789abcdef\"", 39, HG_INVALID_UTF8, 0}, {"0123456789abcdef\\n\303\251\\u00e9\\u00e9\"", 33, HG_NO_FAULT, 20},
    {"0123456789abcdef\303\251\\u00e90123456789abc"
     "def\001\"", 42, HG_CONTROL_CHARACTER, 40}, {"\\ud83d\\ude00\342\202\254\342\202\254\"", 19, HG_NO_FAULT, 3},
    {"0123456789abcdef\342\202\254\\u00e9\355\240"
     "\200\342\202\254\\x\"", 34, HG_INVALID_UTF8, 25}, {"\\ud83d\\ude00\\udc00\"", 19, HG_LONE_SURROGATE, 12},
    {"\\ud83d\\ude00\303\251a\360\237\230\200\\ud8"
     "00a\"", 27, HG_LONE_SURROGATE, 19}, {"\001\342\202\\ud83d\\ude00\"", 16, HG_CONTROL_CHARACTER, 0},
    {"\001a\001\360\237\230\200\"", 8, HG_CONTROL_CHARACTER, 0},
    {"\\x\\na\342\202\2540123456789abcdef\342\202"
     "\254\\ud800\"", 34, HG_INVALID_ESCAPE, 0},
    {"\\ud800\\u\342\202\254\\n\\ud83d\\ude00\"", 26, HG_INVALID_ESCAPE, 6},
    {"a\\ud800\\u\300\200\360\237\230\200\\n\342"
     "\202\254a\"", 22, HG_INVALID_ESCAPE, 7},
    {"0123456789abcdef\\u12\\ud83d\\ude00\342\202"
     "\254a\"", 37, HG_INVALID_ESCAPE, 16},
};
