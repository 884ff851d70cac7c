#include "textflag.h"

// Every function reads and writes exactly the bytes its Go wrapper in shuffle_amd64.go has checked;
// counts are multiples of what one turn of the loop takes.

// PAIR interleaves 32 elements a turn; STORE is how they are written.
#define PAIR(STORE, LABEL) \
	MOVQ dst+0(FP), DI         \
	MOVQ low+8(FP), SI         \
	MOVQ high+16(FP), DX       \
	MOVQ n+24(FP), CX          \
LABEL: \
	VMOVDQU    (SI), Y0        \
	VMOVDQU    (DX), Y1        \
	VPUNPCKLBW Y1, Y0, Y2      \
	VPUNPCKHBW Y1, Y0, Y3      \
	VPERM2I128 $0x20, Y3, Y2, Y4 \
	VPERM2I128 $0x31, Y3, Y2, Y5 \
	STORE      Y4, (DI)        \
	STORE      Y5, 32(DI)      \
	ADDQ       $32, SI         \
	ADDQ       $32, DX         \
	ADDQ       $64, DI         \
	SUBQ       $32, CX         \
	JNZ        LABEL

// func pairAVX2(dst, low, high *byte, n int)
TEXT ·pairAVX2(SB), NOSPLIT, $0-32
	PAIR(VMOVDQU, pair)
	VZEROUPPER
	RET

// func pairPastAVX2(dst, low, high *byte, n int)
TEXT ·pairPastAVX2(SB), NOSPLIT, $0-32
	PAIR(VMOVNTDQ, past)
	SFENCE
	VZEROUPPER
	RET

// func unshuffle4AVX2(dst, src *byte, stride, n int)
TEXT ·unshuffle4AVX2(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ stride+16(FP), BX
	MOVQ n+24(FP), CX
	LEAQ (BX)(BX*2), R8

loop4:
	VMOVDQU    (SI), Y0
	VMOVDQU    (SI)(BX*1), Y1
	VMOVDQU    (SI)(BX*2), Y2
	VMOVDQU    (SI)(R8*1), Y3
	VPUNPCKLBW Y1, Y0, Y4
	VPUNPCKHBW Y1, Y0, Y5
	VPUNPCKLBW Y3, Y2, Y6
	VPUNPCKHBW Y3, Y2, Y7
	VPUNPCKLWD Y6, Y4, Y0
	VPUNPCKHWD Y6, Y4, Y1
	VPUNPCKLWD Y7, Y5, Y2
	VPUNPCKHWD Y7, Y5, Y3
	VPERM2I128 $0x20, Y1, Y0, Y4
	VPERM2I128 $0x20, Y3, Y2, Y5
	VPERM2I128 $0x31, Y1, Y0, Y6
	VPERM2I128 $0x31, Y3, Y2, Y7
	VMOVDQU    Y4, (DI)
	VMOVDQU    Y5, 32(DI)
	VMOVDQU    Y6, 64(DI)
	VMOVDQU    Y7, 96(DI)
	ADDQ       $32, SI
	ADDQ       $128, DI
	SUBQ       $32, CX
	JNZ        loop4
	VZEROUPPER
	RET

// func unshuffle8AVX2(dst, src *byte, stride, n int)
TEXT ·unshuffle8AVX2(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ stride+16(FP), BX
	MOVQ n+24(FP), CX
	LEAQ (BX)(BX*2), R8
	LEAQ (SI)(BX*4), DX

loop8:
	VMOVDQU    (SI), Y0
	VMOVDQU    (SI)(BX*1), Y1
	VMOVDQU    (SI)(BX*2), Y2
	VMOVDQU    (SI)(R8*1), Y3
	VMOVDQU    (DX), Y4
	VMOVDQU    (DX)(BX*1), Y5
	VMOVDQU    (DX)(BX*2), Y6
	VMOVDQU    (DX)(R8*1), Y7
	VPUNPCKLBW Y1, Y0, Y8
	VPUNPCKHBW Y1, Y0, Y9
	VPUNPCKLBW Y3, Y2, Y10
	VPUNPCKHBW Y3, Y2, Y11
	VPUNPCKLBW Y5, Y4, Y12
	VPUNPCKHBW Y5, Y4, Y13
	VPUNPCKLBW Y7, Y6, Y14
	VPUNPCKHBW Y7, Y6, Y15
	VPUNPCKLWD Y10, Y8, Y0
	VPUNPCKHWD Y10, Y8, Y1
	VPUNPCKLWD Y11, Y9, Y2
	VPUNPCKHWD Y11, Y9, Y3
	VPUNPCKLWD Y14, Y12, Y4
	VPUNPCKHWD Y14, Y12, Y5
	VPUNPCKLWD Y15, Y13, Y6
	VPUNPCKHWD Y15, Y13, Y7
	VPUNPCKLDQ Y4, Y0, Y8
	VPUNPCKHDQ Y4, Y0, Y9
	VPUNPCKLDQ Y5, Y1, Y10
	VPUNPCKHDQ Y5, Y1, Y11
	VPUNPCKLDQ Y6, Y2, Y12
	VPUNPCKHDQ Y6, Y2, Y13
	VPUNPCKLDQ Y7, Y3, Y14
	VPUNPCKHDQ Y7, Y3, Y15
	VPERM2I128 $0x20, Y9, Y8, Y0
	VPERM2I128 $0x20, Y11, Y10, Y1
	VPERM2I128 $0x20, Y13, Y12, Y2
	VPERM2I128 $0x20, Y15, Y14, Y3
	VPERM2I128 $0x31, Y9, Y8, Y4
	VPERM2I128 $0x31, Y11, Y10, Y5
	VPERM2I128 $0x31, Y13, Y12, Y6
	VPERM2I128 $0x31, Y15, Y14, Y7
	VMOVDQU    Y0, (DI)
	VMOVDQU    Y1, 32(DI)
	VMOVDQU    Y2, 64(DI)
	VMOVDQU    Y3, 96(DI)
	VMOVDQU    Y4, 128(DI)
	VMOVDQU    Y5, 160(DI)
	VMOVDQU    Y6, 192(DI)
	VMOVDQU    Y7, 224(DI)
	ADDQ       $32, SI
	ADDQ       $32, DX
	ADDQ       $256, DI
	SUBQ       $32, CX
	JNZ        loop8
	VZEROUPPER
	RET

// func shuffle2AVX2(dst, src *byte, stride, n int)
TEXT ·shuffle2AVX2(SB), NOSPLIT, $0-32
	MOVQ     dst+0(FP), DI
	MOVQ     src+8(FP), SI
	MOVQ     stride+16(FP), BX
	MOVQ     n+24(FP), CX
	LEAQ     (DI)(BX*1), DX
	VPCMPEQB Y15, Y15, Y15
	VPSRLW   $8, Y15, Y15

loops2:
	VMOVDQU   (SI), Y0
	VMOVDQU   32(SI), Y1
	VPAND     Y15, Y0, Y2
	VPAND     Y15, Y1, Y3
	VPSRLW    $8, Y0, Y4
	VPSRLW    $8, Y1, Y5
	VPACKUSWB Y3, Y2, Y6
	VPACKUSWB Y5, Y4, Y7
	VPERMQ    $0xD8, Y6, Y6
	VPERMQ    $0xD8, Y7, Y7
	VMOVDQU   Y6, (DI)
	VMOVDQU   Y7, (DX)
	ADDQ      $64, SI
	ADDQ      $32, DI
	ADDQ      $32, DX
	SUBQ      $32, CX
	JNZ       loops2
	VZEROUPPER
	RET

// func shuffle4AVX2(dst, src *byte, stride, n int)
TEXT ·shuffle4AVX2(SB), NOSPLIT, $0-32
	MOVQ     dst+0(FP), DI
	MOVQ     src+8(FP), SI
	MOVQ     stride+16(FP), BX
	MOVQ     n+24(FP), CX
	LEAQ     (BX)(BX*2), R8
	VPCMPEQB Y15, Y15, Y15
	VPSRLW   $8, Y15, Y15

loops4:
	VMOVDQU   (SI), Y0
	VMOVDQU   32(SI), Y1
	VMOVDQU   64(SI), Y2
	VMOVDQU   96(SI), Y3

	// Bytes 0 and 2 of each element, then bytes 1 and 3.
	VPAND     Y15, Y0, Y4
	VPAND     Y15, Y1, Y5
	VPAND     Y15, Y2, Y6
	VPAND     Y15, Y3, Y7
	VPSRLW    $8, Y0, Y0
	VPSRLW    $8, Y1, Y1
	VPSRLW    $8, Y2, Y2
	VPSRLW    $8, Y3, Y3
	VPACKUSWB Y5, Y4, Y4
	VPACKUSWB Y7, Y6, Y6
	VPACKUSWB Y1, Y0, Y0
	VPACKUSWB Y3, Y2, Y2
	VPERMQ    $0xD8, Y4, Y4
	VPERMQ    $0xD8, Y6, Y6
	VPERMQ    $0xD8, Y0, Y0
	VPERMQ    $0xD8, Y2, Y2
	VPAND     Y15, Y4, Y8
	VPAND     Y15, Y6, Y9
	VPSRLW    $8, Y4, Y4
	VPSRLW    $8, Y6, Y6
	VPAND     Y15, Y0, Y10
	VPAND     Y15, Y2, Y11
	VPSRLW    $8, Y0, Y0
	VPSRLW    $8, Y2, Y2
	VPACKUSWB Y9, Y8, Y8
	VPACKUSWB Y6, Y4, Y4
	VPACKUSWB Y11, Y10, Y10
	VPACKUSWB Y2, Y0, Y0
	VPERMQ    $0xD8, Y8, Y8
	VPERMQ    $0xD8, Y4, Y4
	VPERMQ    $0xD8, Y10, Y10
	VPERMQ    $0xD8, Y0, Y0
	VMOVDQU   Y8, (DI)
	VMOVDQU   Y10, (DI)(BX*1)
	VMOVDQU   Y4, (DI)(BX*2)
	VMOVDQU   Y0, (DI)(R8*1)
	ADDQ      $128, SI
	ADDQ      $32, DI
	SUBQ      $32, CX
	JNZ       loops4
	VZEROUPPER
	RET

DATA bitMasks<>+0(SB)/8, $0x00AA00AA00AA00AA
DATA bitMasks<>+8(SB)/8, $0x0000CCCC0000CCCC
DATA bitMasks<>+16(SB)/8, $0x00000000F0F0F0F0
GLOBL bitMasks<>(SB), RODATA, $24

// func transpose8AVX2(data *byte, n int)
TEXT ·transpose8AVX2(SB), NOSPLIT, $0-16
	MOVQ         data+0(FP), DI
	MOVQ         n+8(FP), CX
	VPBROADCASTQ bitMasks<>+0(SB), Y13
	VPBROADCASTQ bitMasks<>+8(SB), Y14
	VPBROADCASTQ bitMasks<>+16(SB), Y15

loopt:
	VMOVDQU (DI), Y0
	VPSRLQ  $7, Y0, Y1
	VPXOR   Y0, Y1, Y1
	VPAND   Y13, Y1, Y1
	VPXOR   Y1, Y0, Y0
	VPSLLQ  $7, Y1, Y1
	VPXOR   Y1, Y0, Y0
	VPSRLQ  $14, Y0, Y1
	VPXOR   Y0, Y1, Y1
	VPAND   Y14, Y1, Y1
	VPXOR   Y1, Y0, Y0
	VPSLLQ  $14, Y1, Y1
	VPXOR   Y1, Y0, Y0
	VPSRLQ  $28, Y0, Y1
	VPXOR   Y0, Y1, Y1
	VPAND   Y15, Y1, Y1
	VPXOR   Y1, Y0, Y0
	VPSLLQ  $28, Y1, Y1
	VPXOR   Y1, Y0, Y0
	VMOVDQU Y0, (DI)
	ADDQ    $32, DI
	SUBQ    $4, CX
	JNZ     loopt
	VZEROUPPER
	RET
