//! Tokens in, tokens out. What the output does when it runs is tested beside the library; here it is whether a token
//! was understood for what it is.

use crate::function::{Shape, Sugar};
use crate::rewrite::{Place, Rewriter};
use crate::{attribute, items};
use proc_macro2::TokenStream;
use quote::quote;

fn squash(tokens: &TokenStream) -> String {
    tokens.to_string().split_whitespace().collect()
}

fn shape() -> Shape {
    let (output, declared_result) = (quote!(u32), None);
    Shape { sugar: Sugar::Dsl, is_async: true, yields: false, output, declared_result }
}

/// The rewritten body of an `async fn … -> u32`, and whether a mistake was found in it.
fn rewritten(body: TokenStream) -> (String, bool) {
    let shape = shape();
    let mut rewriter = Rewriter::new(&shape, Place::Body);
    let out = rewriter.stream(body);
    (squash(&out), !rewriter.errors.into_tokens().is_empty())
}

#[track_caller]
fn becomes(body: TokenStream, expected: TokenStream) {
    assert_eq!(rewritten(body), (squash(&expected), false));
}

#[track_caller]
fn untouched(body: TokenStream) {
    becomes(body.clone(), body);
}

/// The messages in the translation of a list of items.
fn messages(items: TokenStream) -> Vec<String> {
    fn collect(tokens: TokenStream, found: &mut Vec<String>) {
        let mut after = false;
        for token in tokens {
            match token {
                proc_macro2::TokenTree::Ident(word) if word == "compile_error" => after = true,
                proc_macro2::TokenTree::Group(group) if after => {
                    found.push(group.stream().to_string());
                    after = false;
                }
                proc_macro2::TokenTree::Group(group) => collect(group.stream(), found),
                _ => {}
            }
        }
    }
    let mut found = Vec::new();
    collect(items::translate(items), &mut found);
    found
}

#[track_caller]
fn refused(items: TokenStream, part: &str) {
    let found = messages(items);
    assert!(found.len() == 1 && found[0].contains(part), "{part:?} is not the one message of {found:?}");
}

#[test]
fn ordinary_rust_is_untouched() {
    untouched(quote! {
        let mut v = vec![1, 2];
        'a: for x in v.iter().map(|x| x + 1) { if x > 2 { continue 'a; } else { break } }
        while let Some(Point { x, .. }) = v.pop() { loop { break 'a; } }
        let f: for<'b> fn(&'b u8) -> u8 = |x| -> u8 { return *x };
        match f(&1) { | 1 | 2 => {} 3 | 4 if a || b => {} _ => {} }
        impl<'a> Trait for Thing<'a> { const X: u8 = 1 | 2; fn f() -> u8 { return 3 } }
        async move { other.await?; return 5 };
        macro_rules! inner { ($e:expr) => { return $e } }
        a.b.c |= d | e;
    });
}

#[test]
fn await_works_in_the_arguments_of_macros() {
    becomes(
        quote! { println!("{}", f(await!(g(await!(h))))) },
        quote! {
            println!("{}", f(::coro_core::__private::co_await(g(::coro_core::__private::co_await(h)?))?))
        },
    );
    becomes(quote! { try_await!(x).is_ok() }, quote! { ::coro_core::__private::co_await(x).is_ok() });
    becomes(quote! { a.f(b).await.c }, quote! { a.f(b).co_await()?.c });
    becomes(quote! { 0..await!(n) }, quote! { 0..::coro_core::__private::co_await(n)? });
    untouched(quote! { other::raise!(x); awaits!(x); self.r#await });
}

#[test]
fn raise_takes_an_error_or_a_text() {
    let raised = |error: TokenStream| {
        quote! { return ::core::result::Result::Err(::core::convert::From::from(#error)) }
    };
    becomes(
        quote! { raise!("text {x}", y) },
        raised(quote! { ::coro_core::Error::msg(::std::format!("text {x}", y)) }),
    );
    let made = |error: TokenStream| {
        quote! { { use ::coro_core::__private::IntoError as _; ::coro_core::__private::Failed(#error).into_error() } }
    };
    becomes(quote! { raise!(error.clone()) }, raised(made(quote! { error.clone() })));
    becomes(quote! { || raise!(e) }, {
        let raised = raised(made(quote! { e }));
        quote! { || #raised }
    });
}

#[test]
fn return_leaves_the_body_and_nothing_else() {
    becomes(quote! { if x { return y; } }, quote! { if x { break '__body y; } });
    becomes(quote! { vec![return 3] }, quote! { vec![break '__body 3] });
    becomes(
        quote! { let Some(x) = y else { return 1 }; },
        quote! { let Some(x) = y else { break '__body 1 }; },
    );
    becomes(
        quote! { f(|| return 1, return 2); |x| { return x }; return 3 },
        quote! { f(|| return 1, break '__body 2); |x| { return x }; break '__body 3 },
    );
    becomes(
        quote! { f(|x| g::<A, B>(return x), a | return y) },
        quote! { f(|x| g::<A, B>(return x), a | break '__body y) },
    );
    becomes(
        quote! { async move |x| return x; a || return y },
        quote! { async move |x| return x; a || break '__body y },
    );
    becomes(quote! { match x { | A | B => return 1 } }, quote! { match x { | A | B => break '__body 1 } });
    becomes(
        quote! { fn f<const N: usize>() -> [u8; N] where A<{ N }>: B { return 1 } return 2 },
        quote! { fn f<const N: usize>() -> [u8; N] where A<{ N }>: B { return 1 } break '__body 2 },
    );
}

#[test]
fn a_result_function_keeps_its_return() {
    let shape = Shape { declared_result: Some(quote!(Result<u32>)), ..shape() };
    let mut rewriter = Rewriter::new(&shape, Place::Body);
    assert_eq!(squash(&rewriter.stream(quote! { return Ok(1); })), "returnOk(1);");
}

#[test]
fn only_jumps_that_leave_an_async_with_are_carried() {
    let way = |n: &str| format!("return::core::result::Result::Ok(::coro_core::__private::Flow::Way({n}))");
    let (out, mistakes) = rewritten(quote! {
        'o: loop {
            async with m as x {
                loop { break; }
                'i: { for y in z { if y { continue } else { break 'i } } }
                (|| { return 1; })();
                if a { break 'o } else if b { continue 'o } else if c { break } else { break 'o }
            }
        }
    });
    assert!(!mistakes);
    assert!(out.contains("loop{break;}"), "{out}");
    assert!(out.contains("ify{continue}else{break'i}"), "{out}");
    assert!(out.contains("(||{return1;})();"), "{out}");
    let jumps =
        format!("ifa{{{}}}elseifb{{{}}}elseifc{{{}}}else{{{}}}", way("0"), way("1"), way("2"), way("0"));
    assert!(out.contains(&jumps), "{out}");
    assert!(out.contains("Flow::Way(0)=>break'o,::coro_core::__private::Flow::Way(1)=>continue'o,"), "{out}");
    assert!(out.contains("Flow::Way(2)=>break,_=>{}"), "{out}");
    assert!(!out.contains("__return"), "nothing returns from there: {out}");
}

#[test]
fn a_return_crosses_every_async_with() {
    let (out, mistakes) = rewritten(quote! { async with a, b as _ { return 1; } });
    assert!(!mistakes);
    assert!(out.contains("break'__return1;"), "{out}");
    assert!(
        out.contains("Flow::Return(__value)=>break'__return__value,"),
        "from the inner to the outer: {out}"
    );
    assert!(
        out.contains("Flow::Return(__value)=>break'__body__value,"),
        "from the outer to the function: {out}"
    );
}

#[test]
fn a_break_carries_its_value() {
    let (out, mistakes) = rewritten(quote! { let x = 'l: { async with a { break 'l 5; } 6 }; });
    assert!(!mistakes);
    assert!(out.contains("__slot0=::core::option::Option::Some('__way0:{"), "{out}");
    assert!(out.contains("break'__way05;"), "{out}");
    assert!(out.contains("Flow::Way(0)=>break'lmatch__slot0{"), "{out}");
}

#[test]
fn heads_end_at_the_right_brace() {
    for (head, body) in [
        (quote!(x in unsafe { f() }), quote!(1)),
        (quote!(x in if a { b } else { c }), quote!(2)),
        (quote!(x in match a { A { b } => c, _ => d }), quote!(3)),
        (quote!(Point { x, y } in f(|z| { z })), quote!(4)),
        (quote!(x in 0..), quote!(5)),
        (quote!(x in a.b::<C>().d?), quote!(6)),
        (quote!((a | b) in { c }), quote!(7)),
    ] {
        let (out, mistakes) = rewritten(quote! { async for #head { body(#body); } after });
        assert!(!mistakes);
        assert!(out.contains(&format!("=__item;body({body});}}")) && out.ends_with("}}}after"), "{out}");
    }
    for (head, pattern) in [
        (quote!(a as usize as b), "b"),
        (quote!(f(x as u8)), "_"),
        (quote!(a as Point { x, y }), "Point{x,y}"),
        (quote!(a as (b, mut c)), "(b,mutc)"),
        (
            quote!(match a {
                b => c,
            } as d),
            "d",
        ),
    ] {
        let (out, mistakes) = rewritten(quote! { async with #head { body; } after });
        assert!(!mistakes);
        assert!(out.contains(&format!("let{pattern}=__entered;body;}}")), "{out}");
    }
}

#[test]
fn labels_go_to_the_loop_inside() {
    let (out, mistakes) = rewritten(quote! { 'a: async for x in y { continue 'a; } });
    assert!(!mistakes);
    assert!(out.contains("mut__source=>'a:whilelet"), "{out}");
    assert!(out.contains("continue'a;"), "{out}");
}

#[test]
fn items_that_are_not_ours_are_untouched() {
    let items = quote! {
        #![allow(dead_code)]
        use a::{b, c};
        pub(crate) struct P<const N: usize = { 3 }>(u8) where [u8; N]: Sized;
        struct Q { async_: u8 }
        const X: u8 = { 1 };
        const fn f() -> u8 { return 1 }
        extern "C" { fn g(); }
        unsafe impl<T> Send for P<{ 3 }> where T: Fn() -> u8 {}
        macro_rules! m { () => { await!(x) } }
        m! {}
        type T = u8;
        enum E { A, B { c: u8 } }
        pub extern "C" fn h() {}
    };
    assert_eq!(squash(&items::translate(items.clone())), squash(&items));
}

#[test]
fn functions_are_found_everywhere() {
    let out = squash(&items::translate(quote! {
        mod m { impl<T> A for B<T> { pub async fn f(&self) { } } trait C { async fn g(&self) -> u8; } }
        fn plain() { async fn inner() {} }
        async fn outer() { fn numbers() yields u8 { yield!(1) } }
    }));
    assert_eq!(out.matches("->::coro_core::Coroutine<").count(), 4, "{out}");
    assert_eq!(out.matches("->::coro_core::Generator<").count(), 1, "{out}");
    assert!(
        out.contains("fng(&self,)->::coro_core::Coroutine<impl::coro_core::__private::Body<u8>>;"),
        "{out}"
    );
    assert!(!out.contains("async"), "{out}");
}

#[test]
fn every_argument_is_owned_by_the_body() {
    let out = squash(&items::translate(quote! { async fn f(&self, mut a: A, _: B, (c, _): C) {} }));
    assert!(out.contains("fnf(&self,a:A,__argument2:B,__argument3:C,)"), "{out}");
    assert!(out.contains("let_=&self;letmuta=a;let__argument2=__argument2;let_=__argument2;"), "{out}");
    assert!(out.contains("let__argument3=__argument3;let(c,_)=__argument3;"), "{out}");
}

#[test]
fn a_result_is_told_by_its_spelling() {
    let body = |ty: TokenStream| squash(&items::translate(quote! { async fn f() -> #ty { x } }));
    assert!(body(quote!(io::Result<A>)).contains("Body<A>>{"));
    assert!(body(quote!(Result<A, B>)).contains("__private::call(move||->Result<A,B>{x})"));
    assert!(body(quote!(fmt::Result)).contains("Body<()>>{"));
    assert!(body(quote!(Outcome<A>)).contains("Body<Outcome<A>>>{"));
}

#[test]
fn mistakes_are_told_once_and_by_name() {
    refused(
        quote! { fn f() { await!(x) } },
        "needs an `async fn`; in an ordinary function write `co_await()?`",
    );
    refused(quote! { async fn f() { || await!(x); } }, "use `.co_await()?` in a closure");
    refused(quote! { async fn f() { || x.await; } }, "use `.co_await()?` in a closure");
    refused(quote! { async fn f() { async { await!(x) }; } }, "write `.await` there");
    refused(quote! { async fn f() { yield!(x) } }, "add `yields TYPE`");
    refused(quote! { async fn f() { await x } }, "write `await!(x)`");
    refused(quote! { async fn f() yields u8 { yield x; } }, "write `yield!(x);`");
    refused(quote! { async fn f() { async while x {} } }, "no `async while`");
    refused(quote! { async fn f() yields u8 { yield_from!(g); } }, "'yield from' inside async function");
    refused(quote! { async fn f() yields u8 { try_yield_from!(g); } }, "'yield from' inside async function");
    refused(quote! { fn f() { try_yield_from!(g); } }, "`try_yield_from!` needs a generator");
    refused(quote! { fn f() yields u8 { try_yield_from!(); } }, "write `try_yield_from!(…)`");
    refused(quote! { async fn f() yields u8 { return 1; } }, "'return' with value in async generator");
    refused(quote! { async fn f() yields u8 -> u8 { } }, "returns no value");
    refused(quote! { fn f() receives u8 { } }, "needs `yields TYPE`");
    refused(quote! { fn f() -> u8 yields u8 { 1 } }, "comes before the return type");
    refused(quote! { const async fn f() { } }, "cannot be `const`");
    refused(quote! { async fn f() -> impl A { 1 } }, "`impl Trait`");
    refused(quote! { async fn f() -> ! { loop {} } }, "return `!`");
    refused(quote! { async fn f() { async with a { break; } } }, "outside of a loop");
    refused(quote! { async fn f() { async for x y {} } }, "`async for PATTERN in EXPRESSION");
    refused(quote! { async fn f() { await!() } }, "needs an expression");
    refused(quote! { async fn f() { raise!() } }, "needs an error");
    refused(quote! { async for x in y {} }, "is a statement");
    refused(quote! { async fn f(x y) { } }, "expected");
}

#[test]
fn a_mistake_leaves_the_other_items() {
    let out = squash(&items::translate(quote! { async fn a(x y) { } async fn b() { await x } fn c() {} }));
    assert!(out.contains("fnb()->::coro_core::Coroutine<"), "{out}");
    assert!(out.ends_with("fnc(){}"), "{out}");
}

#[test]
fn attributes_refuse_what_is_no_async_fn() {
    for item in [quote! { struct S; }, quote! { fn f() {} }, quote! { impl A { async fn f() {} } }] {
        let out = squash(&attribute::stackful(TokenStream::new(), item.clone()));
        assert!(out.contains("compile_error") && out.ends_with(&squash(&item)), "{out}");
    }
}

#[test]
fn an_attribute_rewrites_only_its_own_body() {
    let out = squash(&attribute::stackful(
        TokenStream::new(),
        quote! { async fn f() { a.await; async { b.await }; async fn g() { c.await } fn h() { d.await } } },
    ));
    assert!(out.contains("a.co_await()?;async{b.await};asyncfng(){c.await}fnh(){d.await}"), "{out}");
}

#[test]
fn options_fill_their_struct() {
    let test = |options: TokenStream, item: TokenStream| {
        squash(&attribute::entry(attribute::Entry::Test, options, item))
    };
    let out = test(quote!(seed = 3, real_clock), quote! { #[ignore] async fn f() {} });
    assert!(
        out.contains(
            "real_clock:true,debug:false,seed:::core::option::Option::Some(3),ordered:false,stack_size"
        ),
        "{out}"
    );
    assert!(out.contains("#[::core::prelude::v1::test]#[ignore]fnf()->::coro_core::Result<()>{"), "{out}");
    assert!(test(quote!(ordered), quote! { async fn f() {} }).contains("ordered:true"));
    let out = test(quote!(sed = 3), quote! { async fn f() {} });
    assert!(out.contains("thereisnooption`sed`here"), "{out}");
    let out = test(TokenStream::new(), quote! { #[should_panic] async fn f() {} });
    assert!(out.contains("fnf(){::core::result::Result::unwrap("), "{out}");
}
