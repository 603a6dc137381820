;; Finds the end of a JSON container, 64 bytes a step: brackets outside strings are counted, nothing else is looked at. And finds bytes
;; that are not ASCII.
;; The bit arithmetic (escaped characters, the inside of strings) is that of simdjson/simdjson:include/simdjson/generic.
(module
  (memory (export "memory") 2)

  ;; Where the last call has left off, for the next chunk.
  (global $depth (export "depth") (mut i32) (i32.const 0))        ;; containers open
  (global $instring (export "inString") (mut i32) (i32.const 0))  ;; -1 inside a string, else 0
  (global $escaped (export "escaped") (mut i32) (i32.const 0))    ;; 1 if the next byte is escaped, else 0
  ;; The address after the last bracket that has left `inner` containers open; 0 if there was none.
  (global $last (export "last") (mut i32) (i32.const 0))

  ;; Bit i of the result: byte i of the 64 bytes in $a, $b, $c and $d is all ones. What every block needs is written out below: as calls
  ;; it costs a third of the whole time.
  (func $bits (param $a v128) (param $b v128) (param $c v128) (param $d v128) (result i64)
    (i64.or
      (i64.or
        (i64.extend_i32_u (i8x16.bitmask (local.get $a)))
        (i64.shl (i64.extend_i32_u (i8x16.bitmask (local.get $b))) (i64.const 16)))
      (i64.or
        (i64.shl (i64.extend_i32_u (i8x16.bitmask (local.get $c))) (i64.const 32))
        (i64.shl (i64.extend_i32_u (i8x16.bitmask (local.get $d))) (i64.const 48)))))

  ;; 1 if an odd number of backslashes stands right before $at, else 0.
  (func $isEscaped (param $at i32) (result i32)
    (local $from i32)
    (local.set $from (local.get $at))
    (loop $back
      (if (i32.eq (i32.load8_u (i32.sub (local.get $from) (i32.const 1))) (i32.const 0x5c))
        (then
          (local.set $from (i32.sub (local.get $from) (i32.const 1)))
          (br $back))))
    (i32.and (i32.const 1) (i32.sub (local.get $at) (local.get $from))))

  ;; Of the 64 bytes at $at, those behind a backslash that is not itself escaped. In a run of backslashes every second one is: a run's
  ;; odd and even bits are told apart by the carry of a subtraction that ripples through the run.
  (func $escapes (param $at i32) (result i64)
    (local $backslash v128) (local $slashes i64) (local $escaped i64) (local $starts i64) (local $bit i64)
    (local.set $backslash (i8x16.splat (i32.const 0x5c)))
    (local.set $slashes (call $bits
      (i8x16.eq (local.get $backslash) (v128.load (local.get $at)))
      (i8x16.eq (local.get $backslash) (v128.load offset=16 (local.get $at)))
      (i8x16.eq (local.get $backslash) (v128.load offset=32 (local.get $at)))
      (i8x16.eq (local.get $backslash) (v128.load offset=48 (local.get $at)))))
    (local.set $escaped (i64.extend_i32_u (call $isEscaped (local.get $at))))
    (local.set $starts (i64.and (local.get $slashes) (i64.xor (local.get $escaped) (i64.const -1))))
    (local.set $bit (i64.xor (i64.const 0xaaaaaaaaaaaaaaaa)
      (i64.sub
        (i64.or (i64.shl (local.get $starts) (i64.const 1)) (i64.const 0xaaaaaaaaaaaaaaaa))
        (local.get $starts))))
    (i64.xor (local.get $bit) (i64.or (local.get $slashes) (local.get $escaped))))

  ;; skip(at, end, depth, inString, inner): goes on at memory[at], inside `depth` containers and so on. Result: the address after the
  ;; bracket that closes the outermost container, or -1 if the container goes on behind `end`. The 64 bytes behind `end` must be
  ;; blanks, what is before `at` counts as far as it escapes, and one byte before the chunk must be no backslash. `inner` is 1, or 0 if
  ;; nobody will ask for `last`.
  (func (export "skip") (param $at i32) (param $end i32) (param $depth i32) (param $quoted i32) (param $inner i32) (result i32)
    (local $a v128) (local $b v128) (local $c v128) (local $d v128) ;; the block
    (local $as v128) (local $bs v128) (local $cs v128) (local $ds v128) ;; its quotes
    (local $case v128) (local $quote v128) (local $backslash v128) (local $brace v128) (local $ecarb v128)
    (local $strings i64) (local $instring i64) (local $opens i64) (local $closes i64)
    (local $bit i64) (local $left i32) (local $closing i32)
    (local.set $case (i8x16.splat (i32.const 0x20)))      ;; makes '[' of '{' and ']' of '}'
    (local.set $quote (i8x16.splat (i32.const 0x22)))
    (local.set $backslash (i8x16.splat (i32.const 0x5c)))
    (local.set $brace (i8x16.splat (i32.const 0x7b)))
    (local.set $ecarb (i8x16.splat (i32.const 0x7d)))
    (local.set $instring (i64.extend_i32_s (local.get $quoted)))
    (global.set $last (i32.const 0))
    (block $done
      (loop $step
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $a (v128.load (local.get $at)))
        (local.set $b (v128.load offset=16 (local.get $at)))
        (local.set $c (v128.load offset=32 (local.get $at)))
        (local.set $d (v128.load offset=48 (local.get $at)))

        ;; $strings: bytes inside strings, opening quotes included: an odd number of quotes is at or before them. Only a backslash right
        ;; before a quote matters, which is rare, and a branch that is nearly always the same costs nothing.
        (local.set $as (i8x16.eq (local.get $quote) (local.get $a)))
        (local.set $bs (i8x16.eq (local.get $quote) (local.get $b)))
        (local.set $cs (i8x16.eq (local.get $quote) (local.get $c)))
        (local.set $ds (i8x16.eq (local.get $quote) (local.get $d)))
        (local.set $strings
          (i64.or
          (i64.or
            (i64.extend_i32_u (i8x16.bitmask (local.get $as)))
            (i64.shl (i64.extend_i32_u (i8x16.bitmask (local.get $bs))) (i64.const 16)))
          (i64.or
            (i64.shl (i64.extend_i32_u (i8x16.bitmask (local.get $cs))) (i64.const 32))
            (i64.shl (i64.extend_i32_u (i8x16.bitmask (local.get $ds))) (i64.const 48)))))
        (if (v128.any_true (v128.or
            (v128.or
              (v128.and (local.get $as) (i8x16.eq (local.get $backslash) (v128.load (i32.sub (local.get $at) (i32.const 1)))))
              (v128.and (local.get $bs) (i8x16.eq (local.get $backslash) (v128.load offset=15 (local.get $at)))))
            (v128.or
              (v128.and (local.get $cs) (i8x16.eq (local.get $backslash) (v128.load offset=31 (local.get $at))))
              (v128.and (local.get $ds) (i8x16.eq (local.get $backslash) (v128.load offset=47 (local.get $at)))))))
          (then (local.set $strings (i64.and (local.get $strings)
            (i64.xor (call $escapes (local.get $at)) (i64.const -1))))))
        (local.set $strings (i64.xor (local.get $strings) (i64.shl (local.get $strings) (i64.const 1))))
        (local.set $strings (i64.xor (local.get $strings) (i64.shl (local.get $strings) (i64.const 2))))
        (local.set $strings (i64.xor (local.get $strings) (i64.shl (local.get $strings) (i64.const 4))))
        (local.set $strings (i64.xor (local.get $strings) (i64.shl (local.get $strings) (i64.const 8))))
        (local.set $strings (i64.xor (local.get $strings) (i64.shl (local.get $strings) (i64.const 16))))
        (local.set $strings (i64.xor (local.get $strings) (i64.shl (local.get $strings) (i64.const 32))))
        (local.set $strings (i64.xor (local.get $strings) (local.get $instring)))
        (local.set $instring (i64.shr_s (local.get $strings) (i64.const 63)))

        ;; $opens and $closes: brackets outside strings.
        (local.set $a (v128.or (local.get $a) (local.get $case)))
        (local.set $b (v128.or (local.get $b) (local.get $case)))
        (local.set $c (v128.or (local.get $c) (local.get $case)))
        (local.set $d (v128.or (local.get $d) (local.get $case)))
        (local.set $strings (i64.xor (local.get $strings) (i64.const -1)))
        (local.set $opens (i64.and (local.get $strings)
          (i64.or
          (i64.or
            (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $brace) (local.get $a))))
            (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $brace) (local.get $b)))) (i64.const 16)))
          (i64.or
            (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $brace) (local.get $c)))) (i64.const 32))
            (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $brace) (local.get $d)))) (i64.const 48))))))
        (local.set $closes (i64.and (local.get $strings)
          (i64.or
          (i64.or
            (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $ecarb) (local.get $a))))
            (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $ecarb) (local.get $b)))) (i64.const 16)))
          (i64.or
            (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $ecarb) (local.get $c)))) (i64.const 32))
            (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $ecarb) (local.get $d)))) (i64.const 48))))))

        (local.set $closing (i32.wrap_i64 (i64.popcnt (local.get $closes))))
        (if (i32.gt_s (local.get $depth) (i32.add (local.get $inner) (local.get $closing)))
          (then (local.set $depth (i32.add (local.get $depth)
            (i32.sub (i32.wrap_i64 (i64.popcnt (local.get $opens))) (local.get $closing)))))
          (else
            ;; The end, or that of an inner container, may be in this block: its brackets one by one.
            (local.set $opens (i64.or (local.get $opens) (local.get $closes)))
            (block $walked
              (loop $walk
                (br_if $walked (i64.eqz (local.get $opens)))
                (local.set $bit (i64.and (local.get $opens) (i64.sub (i64.const 0) (local.get $opens))))
                (local.set $opens (i64.xor (local.get $opens) (local.get $bit)))
                (local.set $depth (i32.add (local.get $depth)
                  (select (i32.const 1) (i32.const -1) (i64.eqz (i64.and (local.get $bit) (local.get $closes))))))
                (if (i32.le_s (local.get $depth) (local.get $inner))
                  (then
                    (local.set $left (i32.add (local.get $at)
                      (i32.add (i32.const 1) (i32.wrap_i64 (i64.ctz (local.get $bit))))))
                    (if (i32.eqz (local.get $depth)) (then (return (local.get $left))))
                    (global.set $last (local.get $left))))
                (br $walk)))))

        (local.set $at (i32.add (local.get $at) (i32.const 64)))
        (br $step)))
    (global.set $depth (local.get $depth))
    (global.set $instring (i32.wrap_i64 (local.get $instring)))
    (global.set $escaped (call $isEscaped (local.get $end)))
    (i32.const -1))

  ;; beyond(at, end): the address of the first byte from `at` on that is not ASCII, or `end`. The 16 bytes behind `end` may be read.
  (func (export "beyond") (param $at i32) (param $end i32) (result i32)
    (local $bits i32)
    (block $found
      (loop $step
        (if (i32.ge_u (local.get $at) (local.get $end)) (then (return (local.get $end))))
        (local.set $bits (i8x16.bitmask (v128.load (local.get $at))))
        (br_if $found (local.get $bits))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br $step)))
    (local.set $at (i32.add (local.get $at) (i32.ctz (local.get $bits))))
    (select (local.get $at) (local.get $end) (i32.lt_u (local.get $at) (local.get $end)))))
