//go:build !noasm

#include "textflag.h"
#include "micro_arm64.h"

// Tiles of one or two columns, whose lanes are the rows.
//
// R1 is what is left of k, R2 A, R4 B, R11 the sums, column by column.

#define LANEARGS \
	MOVD k+0(FP), R1     \
	MOVD a+8(FP), R2     \
	MOVD b+16(FP), R4    \
	MOVD sums+24(FP), R11 \
	VEOR V0.B16, V0.B16, V0.B16 \
	VEOR V1.B16, V1.B16, V1.B16 \
	VEOR V2.B16, V2.B16, V2.B16 \
	VEOR V3.B16, V3.B16, V3.B16 \
	VEOR V4.B16, V4.B16, V4.B16 \
	VEOR V5.B16, V5.B16, V5.B16 \
	VEOR V6.B16, V6.B16, V6.B16 \
	VEOR V7.B16, V7.B16, V7.B16

#define LANES1(a, b) FLDPQ.P 32(R2), (F24, F25); FMOVS.P 48(R4), F26; FMLAE(a, 24, 26, 0); FMLAE(b, 25, 26, 0)
#define LANES2(a, b, c, d) FLDPQ.P 32(R2), (F24, F25); FMOVD.P 48(R4), F26; FMLAE(a, 24, 26, 0); FMLAE(b, 25, 26, 0); FMLAE(c, 24, 26, 1); FMLAE(d, 25, 26, 1)

// func lanes1(k int, a, b *float32, sums *neonSums)
TEXT ·lanes1(SB), NOSPLIT, $0-32
	LANEARGS
	SUBS $4, R1
	BLT  rest
four:
	LANES1(0, 1)
	LANES1(2, 3)
	LANES1(4, 5)
	LANES1(6, 7)
	SUBS $4, R1
	BGE  four
rest:
	ADDS $4, R1
	BEQ  end
one:
	LANES1(0, 1)
	SUBS $1, R1
	BNE  one
end:
	FADD(0, 0, 4)
	FADD(1, 1, 5)
	FADD(2, 2, 6)
	FADD(3, 3, 7)
	FADD(0, 0, 2)
	FADD(1, 1, 3)
	FSTPQ (F0, F1), (R11)
	RET

// func lanes2(k int, a, b *float32, sums *neonSums)
TEXT ·lanes2(SB), NOSPLIT, $0-32
	LANEARGS
	LSR  $1, R1, R13
	CBZ  R13, rest
pair:
	LANES2(0, 1, 2, 3)
	LANES2(4, 5, 6, 7)
	SUBS $1, R13
	BNE  pair
rest:
	TBZ  $0, R1, end
	LANES2(0, 1, 2, 3)
end:
	FADD(0, 0, 4)
	FADD(1, 1, 5)
	FADD(2, 2, 6)
	FADD(3, 3, 7)
	FSTPQ (F0, F1), (R11)
	FSTPQ (F2, F3), 32(R11)
	RET
