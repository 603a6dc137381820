;; Finds the end of a JSON container, 64 bytes a step: brackets outside strings are counted, nothing else is looked at.
;; The bit arithmetic (escaped characters, the inside of strings) is that of simdjson/simdjson:include/simdjson/generic.
(module
  (memory (export "memory") 2)

  ;; What is carried from one chunk to the next.
  (global $depth (mut i32) (i32.const 0))      ;; containers open
  (global $instring (mut i64) (i64.const 0))   ;; all ones inside a string, else 0
  (global $escaped (mut i64) (i64.const 0))    ;; 1 if the next byte is escaped, else 0

  ;; begin(depth): start to skip at a point that is outside strings and inside `depth` containers.
  (func (export "begin") (param $to i32)
    (global.set $depth (local.get $to))
    (global.set $instring (i64.const 0))
    (global.set $escaped (i64.const 0)))

  ;; Bit i of the result: byte i of the 64 bytes at $at, or-ed with $fold, equals $byte.
  (func $where (param $at i32) (param $fold v128) (param $byte v128) (result i64)
    (i64.or
      (i64.or
        (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $byte)
          (v128.or (local.get $fold) (v128.load (local.get $at))))))
        (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $byte)
          (v128.or (local.get $fold) (v128.load offset=16 (local.get $at)))))) (i64.const 16)))
      (i64.or
        (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $byte)
          (v128.or (local.get $fold) (v128.load offset=32 (local.get $at)))))) (i64.const 32))
        (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $byte)
          (v128.or (local.get $fold) (v128.load offset=48 (local.get $at)))))) (i64.const 48)))))

  ;; Bit i of the result: an odd number of the bits 0..i is set.
  (func $parity (param $m i64) (result i64)
    (local.set $m (i64.xor (local.get $m) (i64.shl (local.get $m) (i64.const 1))))
    (local.set $m (i64.xor (local.get $m) (i64.shl (local.get $m) (i64.const 2))))
    (local.set $m (i64.xor (local.get $m) (i64.shl (local.get $m) (i64.const 4))))
    (local.set $m (i64.xor (local.get $m) (i64.shl (local.get $m) (i64.const 8))))
    (local.set $m (i64.xor (local.get $m) (i64.shl (local.get $m) (i64.const 16))))
    (i64.xor (local.get $m) (i64.shl (local.get $m) (i64.const 32))))

  ;; skip(at, end): goes on at memory[at]. Result: the address after the bracket that closes the outermost container,
  ;; or -1 if the container goes on behind `end`. The 64 bytes behind `end` must be blanks.
  (func (export "skip") (param $at i32) (param $end i32) (result i32)
    (local $none v128) (local $case v128) (local $quote v128) (local $backslash v128) (local $brace v128) (local $ecarb v128)
    (local $slashes i64) (local $starts i64) (local $escapes i64) (local $strings i64) (local $opens i64) (local $closes i64)
    (local $bit i64) (local $left i32) (local $closing i32)
    (local.set $case (i8x16.splat (i32.const 0x20)))      ;; makes '[' of '{' and ']' of '}'
    (local.set $quote (i8x16.splat (i32.const 0x22)))
    (local.set $backslash (i8x16.splat (i32.const 0x5c)))
    (local.set $brace (i8x16.splat (i32.const 0x7b)))
    (local.set $ecarb (i8x16.splat (i32.const 0x7d)))
    (block $done
      (loop $step
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $left (i32.sub (local.get $end) (local.get $at)))

        ;; $escapes: bytes behind a backslash that is not itself escaped.
        (local.set $slashes (call $where (local.get $at) (local.get $none) (local.get $backslash)))
        (local.set $escapes (global.get $escaped))
        (global.set $escaped (i64.const 0))
        (if (i64.ne (local.get $slashes) (i64.const 0))
          (then
            ;; In a run of backslashes every second one is escaped: a run's odd and even bits are told apart by the carry
            ;; of a subtraction that ripples through the run.
            (local.set $starts (i64.and (local.get $slashes) (i64.xor (local.get $escapes) (i64.const -1))))
            (local.set $bit (i64.xor (i64.const 0xaaaaaaaaaaaaaaaa)
              (i64.sub
                (i64.or (i64.shl (local.get $starts) (i64.const 1)) (i64.const 0xaaaaaaaaaaaaaaaa))
                (local.get $starts))))
            (local.set $escapes (i64.xor (local.get $bit) (i64.or (local.get $slashes) (local.get $escapes))))
            (global.set $escaped (i64.shr_u (i64.and (local.get $bit) (local.get $slashes)) (i64.const 63)))))
        ;; In the last block the escaped byte may be the first of the next chunk.
        (if (i32.lt_u (local.get $left) (i32.const 64))
          (then (global.set $escaped
            (i64.and (i64.const 1) (i64.shr_u (local.get $escapes) (i64.extend_i32_u (local.get $left)))))))

        ;; $strings: bytes inside strings, opening quotes included.
        (local.set $strings (i64.xor (global.get $instring) (call $parity (i64.and
          (call $where (local.get $at) (local.get $none) (local.get $quote))
          (i64.xor (local.get $escapes) (i64.const -1))))))
        (global.set $instring (i64.shr_s (local.get $strings) (i64.const 63)))
        (local.set $strings (i64.xor (local.get $strings) (i64.const -1)))
        (local.set $opens (i64.and (local.get $strings) (call $where (local.get $at) (local.get $case) (local.get $brace))))
        (local.set $closes (i64.and (local.get $strings) (call $where (local.get $at) (local.get $case) (local.get $ecarb))))

        (local.set $closing (i32.wrap_i64 (i64.popcnt (local.get $closes))))
        (if (i32.gt_s (global.get $depth) (local.get $closing))
          (then (global.set $depth (i32.add (global.get $depth)
            (i32.sub (i32.wrap_i64 (i64.popcnt (local.get $opens))) (local.get $closing)))))
          (else
            ;; The end may be in this block: its brackets one by one.
            (local.set $opens (i64.or (local.get $opens) (local.get $closes)))
            (block $walked
              (loop $walk
                (br_if $walked (i64.eqz (local.get $opens)))
                (local.set $bit (i64.and (local.get $opens) (i64.sub (i64.const 0) (local.get $opens))))
                (local.set $opens (i64.xor (local.get $opens) (local.get $bit)))
                (global.set $depth (i32.add (global.get $depth)
                  (select (i32.const 1) (i32.const -1) (i64.eqz (i64.and (local.get $bit) (local.get $closes))))))
                (if (i32.eqz (global.get $depth))
                  (then (return (i32.add (local.get $at)
                    (i32.add (i32.const 1) (i32.wrap_i64 (i64.ctz (local.get $bit))))))))
                (br $walk)))))

        (local.set $at (i32.add (local.get $at) (i32.const 64)))
        (br $step)))
    (i32.const -1)))
