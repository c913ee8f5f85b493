/* SPDX-License-Identifier: Apache-2.0
 *
 * Header lines that are, imitate or spoil the two framing fields. Pairs of them make the
 * mutations of unit and scenario tests. All contain no NUL and no empty line.
 */
#ifndef UNIT_FRAMING_LINES_H
#define UNIT_FRAMING_LINES_H

/* clang-format off */
static const char *const framing_te_lines[] = {
    "Transfer-Encoding: chunked", "transfer-encoding:chunked", "TRANSFER-ENCODING: CHUNKED",
    "Transfer-Encoding:\tchunked", "Transfer-Encoding: chunked \t", "Transfer-Encoding : chunked",
    "Transfer-Encoding\t: chunked", " Transfer-Encoding: chunked", "\tTransfer-Encoding: chunked",
    "Transfer-Encoding:\013chunked", "Transfer-Encoding: \014chunked",
    "Transfer-Encoding\x0b: chunked", "Transfer-Encoding: chunked\x0b",
    "Transfer_Encoding: chunked",
    "Transfer.Encoding: chunked", "TransferEncoding: chunked", "Transfer--Encoding: chunked",
    "Transfer-Encoding-: chunked", "-Transfer-Encoding: chunked", "Transfer Encoding: chunked",
    "Transfer-Encoding", "Transfer-Encoding chunked", "Transfer-Encoding: \"chunked\"",
    "Transfer-Encoding: 'chunked'", "Transfer-Encoding: chunked, chunked",
    "Transfer-Encoding: chunked,", "Transfer-Encoding: ,chunked", "Transfer-Encoding: x, chunked",
    "Transfer-Encoding: chunked, x", "Transfer-Encoding: identity", "Transfer-Encoding: xchunked",
    "Transfer-Encoding: chunkedx", "Transfer-Encoding: chunk", "Transfer-Encoding: chunked;q=1",
    "Transfer-Encoding: chunked chunked", "Transfer-Encoding:", "Transfer-Encoding: x\r\n chunked",
    "Transfer-Encoding:\r\n chunked", "Transfer-Encoding:\n chunked",
    "Transfer-Encoding: chunked\r",
    "X: y\nTransfer-Encoding: chunked", "X: y\rTransfer-Encoding: chunked", "X: y\r\n\tz",
    "Tran\305\277fer-Encoding: chunked", "Transfer-Encod\xc4\xb1ng: chunked",
    "Transfer-Encoding: \343\200\200chunked", "Transfer-Encoding: chunked\xa0",
    "Transfer-Encoding: c\x08hunked", "Transfer-Encoding:: chunked", ":Transfer-Encoding: chunked",
};

static const char *const framing_cl_lines[] = {
    "Content-Length: 5", "content-length:5", "CONTENT-LENGTH:\t5", "Content-Length: 5 \t",
    "Content-Length : 5", "Content-Length\t: 5", " Content-Length: 5", "\tContent-Length: 5",
    "Content_Length: 5", "Content.Length: 5", "ContentLength: 5", "Content--Length: 5",
    "Content-Length-: 5", "_Content-Length: 5", "Content Length: 5", "Content-Length 5",
    "Content-Length: +5", "Content-Length: -5", "Content-Length: 0x5", "Content-Length: 5,5",
    "Content-Length: 5, 6", "Content-Length: 5 5", "Content-Length: 5;", "Content-Length: 5.0",
    "Content-Length: 5e0", "Content-Length: \"5\"", "Content-Length: '5'", "Content-Length:",
    "Content-Length: 05", "Content-Length: 0005", "Content-Length: five", "Content-Length: 5\x0b",
    "Content-Length:\0135", "Content-Length: \xd9\xa5", "Content-Length: 5\xa0",
    "Content-Length: 18446744073709551621", "Content-Length: 9007199254740993",
    "Content-Length: 99999999999999999999999999999999", "Content-Length:\r\n 5",
    "Content-Length: 1\r\n 5", "X: y\nContent-Length: 5", "X: y\rContent-Length: 5",
    "Content-Length:: 5", "Content\xe2\x80\x90Length: 5",
};
/* clang-format on */

#endif
