//! The programs.

use super::{Numbers, Trace, native};
use coro_core::prelude::*;
use std::rc::Rc;

super::both! {
    async fn p00(t: &Rc<Trace>) -> i64 {
        async with t.door(1) {
            async with t.door(2) {
                async with t.door(3) {
                    t.say(4);
                }
                if t.pick(5) { return 5; }
            }
            let v = 'v6: {
                if t.pick(7) { break 'v6 7; }
                if t.pick(8) {
                    t.say(9);
                    'l10: while t.pick(10) {
                        t.say(11);
                    }
                }
                6
            };
            t.say(v);
        }
        t.say(12);
        if t.pick(13) { return 13; }
        0
    }

    async fn p01(t: &Rc<Trace>) -> Result<i64> {
        t.say(1);
        async with t.door(2) {
            async for _ in Numbers(2) {
                t.say(4);
                if t.pick(5) { continue; }
                if t.pick(6) { return Ok(6); }
            }
            'l7: for _ in 0..2 {
                if t.pick(8) { return Ok(8); }
            }
            'b9: {
                async with t.door(10) {
                    async for _ in Numbers(2) {
                        if t.pick(12) { return Ok(12); }
                    }
                    if t.pick(13) { return Ok(13); }
                    'b14: {
                        t.say(15);
                        if t.pick(16) { break 'b14; }
                    }
                }
            }
        }
        Ok(0)
    }

    async fn p02(t: &Rc<Trace>) -> i64 {
        'l1: async for _ in Numbers(2) {
            let v = 'l2: loop {
                if t.pick(3) { break 'l2 3; }
                if t.pick(4) { break 'l1; }
                while t.pick(5) {
                    async with t.door(6) {
                        if t.pick(7) { continue; }
                        if t.pick(8) { break; }
                    }
                    if t.pick(9) {
                        if t.pick(10) { continue 'l1; }
                        t.say(11);
                    }
                    'l12: for _ in 0..2 {
                        if t.pick(13) { break 'l1; }
                    }
                }
                break 2;
            };
            t.say(v);
        }
        for _ in 0..2 {
            if t.pick(15) { return 15; }
        }
        0
    }

    async fn p03(t: &Rc<Trace>) -> Result<i64> {
        async with t.door(1) {
            async with t.door(2) {
                async with t.door(3) {
                    t.say(4);
                    t.say(5);
                }
                if t.pick(6) { return Ok(6); }
                t.say(7);
            }
            if t.pick(8) { return Ok(8); }
            t.say(9);
        }
        t.say(10);
        if t.pick(11) { return Ok(11); }
        Ok(0)
    }

    async fn p04(t: &Rc<Trace>) -> i64 {
        'l1: async for _ in Numbers(2) {
            let v = 'v2: {
                async with t.door(3) {
                    'l4: async for _ in Numbers(2) {
                        if t.pick(5) { return 5; }
                        if t.pick(6) { continue; }
                    }
                    for _ in 0..2 {
                        if t.pick(8) { break; }
                    }
                }
                2
            };
            t.say(v);
            if t.pick(9) { break; }
            for _ in 0..2 {
                if t.pick(11) {
                    if t.pick(12) { continue; }
                    if t.pick(13) { break; }
                }
                if t.pick(14) { continue; }
            }
        }
        0
    }

    async fn p05(t: &Rc<Trace>) -> Result<i64> {
        async for _ in Numbers(2) {
            async for _ in Numbers(2) {
                'l3: for _ in 0..2 {
                    async with t.door(4) {
                        if t.pick(5) { break; }
                        if t.pick(6) { break 'l3; }
                        if t.pick(7) { continue; }
                    }
                    if t.pick(8) { continue 'l3; }
                    async with t.door(9) {
                        if t.pick(10) { break 'l3; }
                        t.say(11);
                        if t.pick(12) { break 'l3; }
                    }
                }
            }
        }
        if t.pick(13) { return Ok(13); }
        Ok(0)
    }

    async fn p06(t: &Rc<Trace>) -> i64 {
        async with t.door(1) {
            if t.pick(2) { return 2; }
            'l3: while t.pick(3) {
                while t.pick(4) {
                    if t.pick(5) { continue 'l3; }
                }
                t.say(6);
            }
        }
        'b7: {
            if t.pick(8) { return 8; }
        }
        if t.pick(9) {
            async with t.door(10) {
                if t.pick(11) { return 11; }
            }
            t.say(12);
            t.say(13);
        }
        0
    }

    async fn p07(t: &Rc<Trace>) -> Result<i64> {
        t.say(1);
        if t.pick(2) {
            async with t.door(3) as _, t.door(300) as _x {
                let v = 'l4: loop {
                    async for _ in Numbers(2) {
                        if t.pick(6) { break 'l4 6; }
                        t.say(7);
                        if t.pick(8) { break; }
                    }
                    break 4;
                };
                t.say(v);
                t.say(9);
                if t.pick(10) { return Ok(10); }
            }
            async with t.door(11) as _, t.door(1100) as _x {
                t.say(12);
                t.say(13);
                async with t.door(14) as _, t.door(1400) as _x {
                    t.say(15);
                    if t.pick(16) { return Ok(16); }
                }
            }
            t.say(17);
        }
        Ok(0)
    }

    async fn p08(t: &Rc<Trace>) -> i64 {
        let v = 'l1: loop {
            for _ in 0..2 {
                if t.pick(3) { return 3; }
                'b4: {
                    for _ in 0..2 {
                        if t.pick(6) { continue; }
                    }
                }
            }
            'l7: async for _ in Numbers(2) {
                async with t.door(8) as _, t.door(800) as _x {
                    if t.pick(9) {
                        if t.pick(10) { continue; }
                        if t.pick(11) { break; }
                    }
                    if t.pick(12) { break 'l1 12; }
                }
                if t.pick(13) { break; }
                t.say(14);
            }
            if t.pick(15) { continue; }
            break 1;
        };
        t.say(v);
        t.say(16);
        0
    }

    async fn p09(t: &Rc<Trace>) -> Result<i64> {
        t.say(1);
        async with t.door(2) {
            if t.pick(3) { return Ok(3); }
            async with t.door(4) {
                if t.pick(5) {
                    if t.pick(6) { return Ok(6); }
                    async with t.door(7) {
                        t.say(8);
                    }
                }
                'l9: for _ in 0..2 {
                    if t.pick(10) { break; }
                }
            }
        }
        if t.pick(11) { return Ok(11); }
        Ok(0)
    }

    async fn p10(t: &Rc<Trace>) -> i64 {
        async with t.door(1) {
            'b2: {
                if t.pick(3) { return 3; }
                async with t.door(4) as _, t.door(400) as _x {
                    if t.pick(5) { break 'b2; }
                    while t.pick(6) {
                        if t.pick(7) { break 'b2; }
                        if t.pick(8) { break 'b2; }
                        if t.pick(9) { break; }
                    }
                }
                if t.pick(10) { break 'b2; }
            }
            async with t.door(11) {
                if t.pick(12) { return 12; }
                if t.pick(13) {
                    t.say(14);
                    if t.pick(15) {
                        t.say(16);
                    }
                }
            }
            t.say(17);
        }
        0
    }

    async fn p11(t: &Rc<Trace>) -> Result<i64> {
        if t.pick(1) {
            t.say(2);
            async with t.door(3) {
                async with t.door(4) {
                    if t.pick(5) { return Ok(5); }
                    t.say(6);
                    'l7: for _ in 0..2 {
                        if t.pick(8) { continue 'l7; }
                        if t.pick(9) { break; }
                        t.say(10);
                    }
                }
                t.say(11);
                async with t.door(12) {
                    if t.pick(13) { return Ok(13); }
                }
            }
        }
        t.say(14);
        Ok(0)
    }

    async fn p12(t: &Rc<Trace>) -> i64 {
        for _ in 0..2 {
            t.say(2);
        }
        async with t.door(3) {
            if t.pick(4) { return 4; }
            t.say(5);
            if t.pick(6) {
                'l7: async for _ in Numbers(2) {
                    'b8: {
                        if t.pick(9) { break 'l7; }
                        if t.pick(10) { continue 'l7; }
                    }
                }
                if t.pick(11) { return 11; }
            }
        }
        if t.pick(12) { return 12; }
        0
    }

    async fn p13(t: &Rc<Trace>) -> Result<i64> {
        async with t.door(1) {
            async with t.door(2) as _, t.door(200) as _x {
                async with t.door(3) {
                    async with t.door(4) as _, t.door(400) as _x {
                        t.say(5);
                        t.say(6);
                    }
                    if t.pick(7) { return Ok(7); }
                    'l8: while t.pick(8) {
                        if t.pick(9) { continue; }
                        if t.pick(10) { return Ok(10); }
                        if t.pick(11) { break; }
                    }
                }
                let v = 'v12: {
                    t.say(13);
                    12
                };
                t.say(v);
                if t.pick(14) { return Ok(14); }
            }
            t.say(15);
            if t.pick(16) { return Ok(16); }
        }
        if t.pick(17) { return Ok(17); }
        Ok(0)
    }

    async fn p14(t: &Rc<Trace>) -> i64 {
        let v = 'l1: loop {
            if t.pick(2) { continue; }
            async with t.door(3) {
                async with t.door(4) as _, t.door(400) as _x {
                    async with t.door(5) {
                        if t.pick(6) { break 'l1 6; }
                        if t.pick(7) { break 'l1 7; }
                    }
                }
            }
            for _ in 0..2 {
                if t.pick(9) { continue; }
                async with t.door(10) {
                    async with t.door(11) {
                        if t.pick(12) { continue; }
                        if t.pick(13) { continue; }
                    }
                    t.say(14);
                    if t.pick(15) {
                        if t.pick(16) { break 'l1 16; }
                        if t.pick(17) { continue; }
                        t.say(18);
                    }
                }
            }
            break 1;
        };
        t.say(v);
        0
    }

    async fn p15(t: &Rc<Trace>) -> Result<i64> {
        if t.pick(1) { return Ok(1); }
        'l2: while t.pick(2) {
            let v = 'l3: loop {
                for _ in 0..2 {
                    if t.pick(5) { continue; }
                    'l6: while t.pick(6) {
                        if t.pick(7) { continue; }
                        if t.pick(8) { break 'l2; }
                        if t.pick(9) { break 'l6; }
                    }
                }
                break 3;
            };
            t.say(v);
            async with t.door(10) as _, t.door(1000) as _x {
                'l11: async for _ in Numbers(2) {
                    t.say(12);
                    'l13: async for _ in Numbers(2) {
                        if t.pick(14) { return Ok(14); }
                        if t.pick(15) { continue; }
                        if t.pick(16) { break; }
                    }
                }
                if t.pick(17) { continue; }
            }
            if t.pick(18) { break 'l2; }
        }
        Ok(0)
    }

    async fn p16(t: &Rc<Trace>) -> i64 {
        for _ in 0..2 {
            'l2: async for _ in Numbers(2) {
                if t.pick(3) {
                    async with t.door(4) {
                        if t.pick(5) { return 5; }
                        if t.pick(6) { break 'l2; }
                    }
                    if t.pick(7) { continue 'l2; }
                    if t.pick(8) { break 'l2; }
                }
                async with t.door(9) as _, t.door(900) as _x {
                    async with t.door(10) {
                        t.say(11);
                    }
                    t.say(12);
                }
                if t.pick(13) { break; }
            }
            if t.pick(14) { break; }
            if t.pick(15) { break; }
        }
        t.say(16);
        0
    }

    async fn p17(t: &Rc<Trace>) -> Result<i64> {
        async for _ in Numbers(2) {
            'l2: while t.pick(2) {
                async with t.door(3) {
                    async with t.door(4) {
                        if t.pick(5) { return Ok(5); }
                        if t.pick(6) { break 'l2; }
                    }
                    if t.pick(7) { break; }
                }
                if t.pick(8) { continue; }
                while t.pick(9) {
                    for _ in 0..2 {
                        if t.pick(11) { break 'l2; }
                        if t.pick(12) { break; }
                    }
                    t.say(13);
                    if t.pick(14) { break 'l2; }
                }
            }
        }
        Ok(0)
    }

    async fn p18(t: &Rc<Trace>) -> i64 {
        let v = 'v1: {
            if t.pick(2) { break 'v1 2; }
            if t.pick(3) {
                async with t.door(4) {
                    if t.pick(5) { break 'v1 5; }
                }
                async for _ in Numbers(2) {
                    if t.pick(7) { break 'v1 7; }
                    if t.pick(8) { break 'v1 8; }
                }
            }
            1
        };
        t.say(v);
        if t.pick(9) { return 9; }
        t.say(10);
        0
    }

    async fn p19(t: &Rc<Trace>) -> Result<i64> {
        if t.pick(1) {
            if t.pick(2) { return Ok(2); }
            'l3: async for _ in Numbers(2) {
                async with t.door(4) {
                    'l5: for _ in 0..2 {
                        if t.pick(6) { continue 'l5; }
                        if t.pick(7) { return Ok(7); }
                    }
                }
                async with t.door(8) {
                    if t.pick(9) { break; }
                }
                async with t.door(10) {
                    if t.pick(11) { break; }
                }
            }
        }
        Ok(0)
    }

    async fn p20(t: &Rc<Trace>) -> i64 {
        t.say(1);
        async with t.door(2) as _, t.door(200) as _x {
            async with t.door(3) {
                'l4: async for _ in Numbers(2) {
                    'l5: while t.pick(5) {
                        if t.pick(6) { break; }
                        t.say(7);
                    }
                    if t.pick(8) { continue; }
                }
            }
        }
        'l9: async for _ in Numbers(2) {
            if t.pick(10) { return 10; }
        }
        0
    }

    async fn p21(t: &Rc<Trace>) -> Result<i64> {
        async with t.door(1) {
            let v = 'l2: loop {
                async with t.door(3) {
                    async with t.door(4) {
                        t.say(5);
                    }
                }
                if t.pick(6) {
                    if t.pick(7) { return Ok(7); }
                    if t.pick(8) { continue; }
                    'l9: async for _ in Numbers(2) {
                        if t.pick(10) { continue; }
                        if t.pick(11) { break 'l9; }
                        if t.pick(12) { return Ok(12); }
                    }
                }
                break 2;
            };
            t.say(v);
            t.say(13);
        }
        Ok(0)
    }

    async fn p22(t: &Rc<Trace>) -> i64 {
        'l1: while t.pick(1) {
            if t.pick(2) { return 2; }
            async with t.door(3) {
                t.say(4);
            }
        }
        async with t.door(5) {
            let v = 'v6: {
                t.say(7);
                if t.pick(8) { break 'v6 8; }
                6
            };
            t.say(v);
            let v = 'l9: loop {
                if t.pick(10) {
                    if t.pick(11) { break 'l9 11; }
                    async with t.door(12) {
                        if t.pick(13) { break 'l9 13; }
                        if t.pick(14) { return 14; }
                        if t.pick(15) { continue; }
                    }
                }
                break 9;
            };
            t.say(v);
        }
        0
    }

    async fn p23(t: &Rc<Trace>) -> Result<i64> {
        async for _ in Numbers(2) {
            'l2: for _ in 0..2 {
                async with t.door(3) as _, t.door(300) as _x {
                    if t.pick(4) { break; }
                    let v = 'v5: {
                        if t.pick(6) { break 'l2; }
                        5
                    };
                    t.say(v);
                }
                async with t.door(7) {
                    async with t.door(8) {
                        if t.pick(9) { break 'l2; }
                    }
                }
                'l10: async for _ in Numbers(2) {
                    let v = 'l11: loop {
                        if t.pick(12) { continue; }
                        break 11;
                    };
                    t.say(v);
                }
            }
            if t.pick(13) { return Ok(13); }
            'l14: for _ in 0..2 {
                t.say(15);
            }
        }
        Ok(0)
    }

    async fn p24(t: &Rc<Trace>) -> i64 {
        let v = 'v1: {
            'l2: async for _ in Numbers(2) {
                async with t.door(3) {
                    'b4: {
                        if t.pick(5) { break 'v1 5; }
                        if t.pick(6) { continue 'l2; }
                    }
                    async with t.door(7) {
                        if t.pick(8) { return 8; }
                        t.say(9);
                        t.say(10);
                    }
                }
                if t.pick(11) { continue 'l2; }
            }
            1
        };
        t.say(v);
        t.say(12);
        0
    }

    async fn p25(t: &Rc<Trace>) -> Result<i64> {
        async for _ in Numbers(2) {
            if t.pick(2) { continue; }
            if t.pick(3) { return Ok(3); }
            if t.pick(4) {
                if t.pick(5) { return Ok(5); }
                if t.pick(6) { return Ok(6); }
            }
        }
        let v = 'l7: loop {
            async with t.door(8) {
                if t.pick(9) { return Ok(9); }
            }
            if t.pick(10) { break 'l7 10; }
            if t.pick(11) { continue; }
            break 7;
        };
        t.say(v);
        t.say(12);
        Ok(0)
    }

    async fn p26(t: &Rc<Trace>) -> i64 {
        async with t.door(1) as _, t.door(100) as _x {
            async with t.door(2) {
                async with t.door(3) {
                    'l4: async for _ in Numbers(2) {
                        if t.pick(5) { break 'l4; }
                    }
                    'l6: async for _ in Numbers(2) {
                        if t.pick(7) { break 'l6; }
                    }
                }
            }
        }
        async with t.door(8) as _, t.door(800) as _x {
            if t.pick(9) { return 9; }
            async with t.door(10) {
                'l11: async for _ in Numbers(2) {
                    if t.pick(12) { continue; }
                }
                t.say(13);
            }
        }
        t.say(14);
        0
    }

    async fn p27(t: &Rc<Trace>) -> Result<i64> {
        t.say(1);
        async with t.door(2) {
            async with t.door(3) {
                let v = 'v4: {
                    async with t.door(5) {
                        t.say(6);
                        if t.pick(7) { break 'v4 7; }
                    }
                    if t.pick(8) { break 'v4 8; }
                    t.say(9);
                    4
                };
                t.say(v);
                t.say(10);
            }
        }
        if t.pick(11) { return Ok(11); }
        Ok(0)
    }

    async fn p28(t: &Rc<Trace>) -> i64 {
        if t.pick(1) { return 1; }
        'b2: {
            'l3: async for _ in Numbers(2) {
                t.say(4);
                'b5: {
                    let v = 'v6: {
                        if t.pick(7) { continue 'l3; }
                        if t.pick(8) { break 'b5; }
                        if t.pick(9) { break 'v6 9; }
                        6
                    };
                    t.say(v);
                    async with t.door(10) {
                        if t.pick(11) { break 'b5; }
                    }
                    if t.pick(12) { break 'b2; }
                }
            }
        }
        0
    }

    async fn p29(t: &Rc<Trace>) -> Result<i64> {
        let v = 'l1: loop {
            async with t.door(2) {
                async with t.door(3) as _, t.door(300) as _x {
                    async with t.door(4) {
                        if t.pick(5) { continue; }
                        if t.pick(6) { return Ok(6); }
                    }
                    if t.pick(7) { return Ok(7); }
                }
                'b8: {
                    async with t.door(9) {
                        if t.pick(10) { break 'b8; }
                    }
                    async with t.door(11) {
                        if t.pick(12) { break 'b8; }
                        if t.pick(13) { break 'l1 13; }
                    }
                }
                async with t.door(14) as _, t.door(1400) as _x {
                    if t.pick(15) { break 'l1 15; }
                    if t.pick(16) { continue; }
                    if t.pick(17) { break 'l1 17; }
                }
            }
            break 1;
        };
        t.say(v);
        Ok(0)
    }

    async fn p30(t: &Rc<Trace>) -> i64 {
        let v = 'l1: loop {
            async with t.door(2) {
                if t.pick(3) { break 'l1 3; }
                async with t.door(4) as _, t.door(400) as _x {
                    'l5: while t.pick(5) {
                        if t.pick(6) { return 6; }
                        if t.pick(7) { break 'l5; }
                        if t.pick(8) { continue; }
                    }
                    while t.pick(9) {
                        if t.pick(10) { break 'l1 10; }
                        if t.pick(11) { continue; }
                        if t.pick(12) { continue; }
                    }
                    t.say(13);
                }
            }
            break 1;
        };
        t.say(v);
        t.say(14);
        if t.pick(15) { return 15; }
        0
    }

    async fn p31(t: &Rc<Trace>) -> Result<i64> {
        'l1: async for _ in Numbers(2) {
            for _ in 0..2 {
                let v = 'l3: loop {
                    let v = 'v4: {
                        if t.pick(5) { break 'l3 5; }
                        if t.pick(6) { return Ok(6); }
                        4
                    };
                    t.say(v);
                    break 3;
                };
                t.say(v);
            }
            if t.pick(7) { continue 'l1; }
            if t.pick(8) { continue 'l1; }
        }
        t.say(9);
        async with t.door(10) {
            'l11: async for _ in Numbers(2) {
                'l12: while t.pick(12) {
                    async with t.door(13) {
                        if t.pick(14) { return Ok(14); }
                        t.say(15);
                        if t.pick(16) { continue 'l11; }
                    }
                }
            }
        }
        Ok(0)
    }

    async fn p32(t: &Rc<Trace>) -> i64 {
        'b1: {
            async with t.door(2) {
                'l3: async for _ in Numbers(2) {
                    let v = 'l4: loop {
                        if t.pick(5) { break 'l4 5; }
                        break 4;
                    };
                    t.say(v);
                    if t.pick(6) { break 'b1; }
                    if t.pick(7) {
                        t.say(8);
                        if t.pick(9) { break 'b1; }
                    }
                }
                if t.pick(10) { break 'b1; }
                if t.pick(11) { break 'b1; }
            }
        }
        t.say(12);
        0
    }

    async fn p33(t: &Rc<Trace>) -> Result<i64> {
        'l1: async for _ in Numbers(2) {
            if t.pick(2) { return Ok(2); }
            for _ in 0..2 {
                if t.pick(4) { continue 'l1; }
            }
            async with t.door(5) as _, t.door(500) as _x {
                if t.pick(6) { continue; }
                'b7: {
                    async with t.door(8) {
                        if t.pick(9) { continue 'l1; }
                        if t.pick(10) { break 'b7; }
                        if t.pick(11) { break 'l1; }
                    }
                }
            }
        }
        if t.pick(12) { return Ok(12); }
        Ok(0)
    }

    async fn p34(t: &Rc<Trace>) -> i64 {
        if t.pick(1) {
            if t.pick(2) { return 2; }
            async with t.door(3) {
                'l4: async for _ in Numbers(2) {
                    'l5: for _ in 0..2 {
                        if t.pick(6) { break; }
                        if t.pick(7) { break 'l4; }
                    }
                    'b8: {
                        if t.pick(9) { continue 'l4; }
                    }
                }
            }
        }
        0
    }

    async fn p35(t: &Rc<Trace>) -> Result<i64> {
        async with t.door(1) {
            'b2: {
                async with t.door(3) as _, t.door(300) as _x {
                    if t.pick(4) { return Ok(4); }
                }
                async with t.door(5) {
                    'l6: while t.pick(6) {
                        if t.pick(7) { return Ok(7); }
                        if t.pick(8) { continue 'l6; }
                    }
                }
                if t.pick(9) { break 'b2; }
            }
            async with t.door(10) as _, t.door(1000) as _x {
                'l11: while t.pick(11) {
                    if t.pick(12) { break; }
                }
            }
        }
        if t.pick(13) { return Ok(13); }
        async with t.door(14) {
            let v = 'v15: {
                if t.pick(16) { return Ok(16); }
                15
            };
            t.say(v);
        }
        Ok(0)
    }

    async fn p36(t: &Rc<Trace>) -> i64 {
        'b1: {
            if t.pick(2) {
                t.say(3);
                let v = 'v4: {
                    async with t.door(5) as _, t.door(500) as _x {
                        if t.pick(6) { break 'b1; }
                    }
                    4
                };
                t.say(v);
            }
            async with t.door(7) as _, t.door(700) as _x {
                t.say(8);
            }
        }
        0
    }

    async fn p37(t: &Rc<Trace>) -> Result<i64> {
        async for _ in Numbers(2) {
            t.say(2);
            for _ in 0..2 {
                if t.pick(4) { continue; }
                async with t.door(5) {
                    async with t.door(6) as _, t.door(600) as _x {
                        if t.pick(7) { return Ok(7); }
                        if t.pick(8) { return Ok(8); }
                        if t.pick(9) { continue; }
                    }
                }
                if t.pick(10) { return Ok(10); }
            }
            'l11: async for _ in Numbers(2) {
                if t.pick(12) { break; }
                async with t.door(13) {
                    'l14: for _ in 0..2 {
                        if t.pick(15) { break 'l11; }
                        if t.pick(16) { break; }
                    }
                }
            }
        }
        Ok(0)
    }

    async fn p38(t: &Rc<Trace>) -> i64 {
        if t.pick(1) {
            'b2: {
                t.say(3);
                async with t.door(4) {
                    async with t.door(5) {
                        if t.pick(6) { return 6; }
                        if t.pick(7) { return 7; }
                        t.say(8);
                    }
                    async with t.door(9) {
                        if t.pick(10) { return 10; }
                        if t.pick(11) { break 'b2; }
                    }
                    if t.pick(12) { return 12; }
                }
            }
            if t.pick(13) { return 13; }
            t.say(14);
        }
        0
    }

    async fn p39(t: &Rc<Trace>) -> Result<i64> {
        async with t.door(1) as _, t.door(100) as _x {
            t.say(2);
            'l3: async for _ in Numbers(2) {
                if t.pick(4) { continue; }
                if t.pick(5) { return Ok(5); }
                async with t.door(6) {
                    if t.pick(7) { break 'l3; }
                    if t.pick(8) { break 'l3; }
                    'b9: {
                        if t.pick(10) { break 'l3; }
                        if t.pick(11) { break 'l3; }
                    }
                }
            }
            async with t.door(12) {
                t.say(13);
            }
        }
        Ok(0)
    }
}
