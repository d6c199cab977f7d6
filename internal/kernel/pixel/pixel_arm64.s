//go:build !noasm

#include "textflag.h"

// Instructions that the assembler of Go has no name for, by the numbers of
// their registers. Beside each is what a disassembler says.

#define WIDENB(d, n)   WORD $(0x2F08A400 | n<<5 | d) // ushll vd.8h, vn.8b, #0
#define WIDENB2(d, n)  WORD $(0x6F08A400 | n<<5 | d) // ushll2 vd.8h, vn.16b, #0
#define WIDENH(d, n)   WORD $(0x2F10A400 | n<<5 | d) // ushll vd.4s, vn.4h, #0
#define WIDENH2(d, n)  WORD $(0x6F10A400 | n<<5 | d) // ushll2 vd.4s, vn.8h, #0
#define MLA(d, n, m)   WORD $(0x4EA09400 | m<<16 | n<<5 | d) // mla vd.4s, vn.4s, vm.4s
#define SSHR22(d, n)   WORD $(0x4F2A0400 | n<<5 | d) // sshr vd.4s, vn.4s, #22
#define SQXTN(d, n)    WORD $(0x0E614800 | n<<5 | d) // sqxtn vd.4h, vn.4s
#define SQXTN2(d, n)   WORD $(0x4E614800 | n<<5 | d) // sqxtn2 vd.8h, vn.4s
#define SQXTUN(d, n)   WORD $(0x2E212800 | n<<5 | d) // sqxtun vd.8b, vn.8h
#define SQXTUN2(d, n)  WORD $(0x6E212800 | n<<5 | d) // sqxtun2 vd.16b, vn.8h

// func weighNEON(dst, src *uint8, step int, weights *int32, taps, vectors int)
TEXT ·weighNEON(SB), NOSPLIT, $0-48
	MOVD dst+0(FP), R0
	MOVD src+8(FP), R1
	MOVD step+16(FP), R2
	MOVD weights+24(FP), R3
	MOVD taps+32(FP), R4
	MOVD vectors+40(FP), R5
	MOVD $(1<<21), R6
	VDUP R6, V16.S4
vector:
	VMOV V16.B16, V0.B16
	VMOV V16.B16, V1.B16
	VMOV V16.B16, V2.B16
	VMOV V16.B16, V3.B16
	MOVD R1, R6
	MOVD R3, R7
	MOVD R4, R8
tap:
	VLD1 (R6), [V4.B16]
	VLD1R.P 4(R7), [V5.S4]
	ADD  R2, R6
	WIDENB(6, 4)
	WIDENB2(7, 4)
	WIDENH(8, 6)
	WIDENH2(9, 6)
	WIDENH(10, 7)
	WIDENH2(11, 7)
	MLA(0, 8, 5)
	MLA(1, 9, 5)
	MLA(2, 10, 5)
	MLA(3, 11, 5)
	SUBS $1, R8
	BNE  tap
	SSHR22(0, 0)
	SSHR22(1, 1)
	SSHR22(2, 2)
	SSHR22(3, 3)
	SQXTN(4, 0)
	SQXTN2(4, 1)
	SQXTN(5, 2)
	SQXTN2(5, 3)
	SQXTUN(6, 4)
	SQXTUN2(6, 5)
	VST1.P [V6.B16], 16(R0)
	ADD  $16, R1
	SUBS $1, R5
	BNE  vector
	RET
