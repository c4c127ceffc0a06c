// Rust: integers, strings, structs, enums, slices, closures, and a panic that is caught.
// recording: apart
// options: --function oxide::*
use std::hint::black_box;
use std::process::id;

struct Point {
    x: i32,
    y: i64,
}
#[derive(Debug)]
enum Color {
    Red = 3,
    Green = 7,
}

#[inline(never)]
fn integers(a: i32, b: u64, c: i8, d: bool) -> i64 {
    println!("expect {} call oxide::integers a={a} b={b} c={c} d={d}", id());
    let result = a as i64 + b as i64 + c as i64;
    println!("expect {} return oxide::integers {result}", id());
    black_box(result)
}
#[inline(never)]
fn floats(x: f32, y: f64) -> f64 {
    println!("expect {} call oxide::floats x={x:e} y={y:e}", id());
    let result = x as f64 * y;
    println!("expect {} return oxide::floats {result:e}", id());
    black_box(result)
}
#[inline(never)]
fn text(word: &str, owned: &String) -> usize {
    println!("expect {} call oxide::text word={word:?} owned={owned:?}", id());
    let result = word.len() + owned.len();
    println!("expect {} return oxide::text {result}", id());
    black_box(result)
}
#[inline(never)]
fn aggregates(point: &Point, list: &[u16], color: Color) -> i64 {
    println!(
        "expect {} call oxide::aggregates point={{\"x\":{},\"y\":{}}} list={list:?} color=\"{color:?}\"",
        id(),
        point.x,
        point.y
    );
    let result = point.x as i64 * point.y + list.len() as i64;
    println!("expect {} return oxide::aggregates {result}", id());
    black_box(result)
}
#[derive(Clone, Copy)]
struct Pair {
    a: i32,
    b: i32,
}
#[derive(Clone, Copy)]
struct Mixed {
    x: f32,
    n: u8,
    y: f32,
}
#[derive(Clone, Copy)]
enum Shape {
    Dot,
    Circle(u32),
    Byte(u8),
}
#[inline(never)]
fn small(pair: Pair, mixed: Mixed, maybe: Option<i64>, bytes: [u8; 3], last: i16) -> i64 {
    println!(
        "expect {} call oxide::small pair={{\"a\":{},\"b\":{}}} mixed={{\"x\":{},\"n\":{},\"y\":{}}} maybe={{\"Some\":{}}} bytes={bytes:?} last={last}",
        id(),
        pair.a,
        pair.b,
        mixed.x,
        mixed.n,
        mixed.y,
        maybe.unwrap_or(0)
    );
    let result = (pair.a - pair.b) as i64 + mixed.n as i64 + maybe.unwrap_or(0) + bytes[1] as i64 + last as i64;
    println!("expect {} return oxide::small {result}", id());
    black_box(result)
}
#[inline(never)]
fn shape(shape: Shape, name: Option<&str>, more: (u8, f64)) -> usize {
    let shown = match shape {
        Shape::Dot => String::from("\"Dot\""),
        Shape::Circle(r) => format!("{{\"Circle\":{r}}}"),
        Shape::Byte(b) => format!("{{\"Byte\":{b}}}"),
    };
    println!(
        "expect {} call oxide::shape shape={shown} name={{\"Some\":{:?}}} more=[{},{}]",
        id(),
        name.unwrap_or(""),
        more.0,
        more.1
    );
    let result = shown.len() + more.0 as usize;
    println!("expect {} return oxide::shape {result}", id());
    black_box(result)
}
#[inline(never)]
fn factorial(n: u64) -> u64 {
    println!("expect {} call oxide::factorial n={n}", id());
    let result = if n < 2 { 1 } else { n * factorial(n - 1) };
    println!("expect {} return oxide::factorial {result}", id());
    black_box(result)
}
#[inline(never)]
fn panics(n: i32) -> i32 {
    println!("expect {} call oxide::panics n={n}", id());
    if black_box(n) > 1 {
        println!("expect {} panic", id());
        println!("expect {} unwound oxide::panics", id());
        panic!("too many");
    }
    println!("expect {} return oxide::panics {n}", id());
    black_box(n)
}

fn main() {
    integers(black_box(-5), black_box(1 << 40), black_box(-128), black_box(true));
    floats(black_box(1.5), black_box(-0.1));
    text(black_box("word"), black_box(&String::from("a longer text")));
    aggregates(black_box(&Point { x: 3, y: -4 }), black_box(&[1, 2, 3]), black_box(Color::Green));
    aggregates(black_box(&Point { x: -3, y: 4 }), black_box(&[]), black_box(Color::Red));
    small(
        black_box(Pair { a: -7, b: 9 }),
        black_box(Mixed { x: 0.5, n: 200, y: -1.25 }),
        black_box(Some(-1 << 40)),
        black_box([1, 2, 255]),
        black_box(-300),
    );
    shape(black_box(Shape::Circle(70000)), black_box(Some("round")), black_box((3, 0.25)));
    shape(black_box(Shape::Byte(7)), black_box(Some("")), black_box((0, -2.5)));
    shape(black_box(Shape::Dot), black_box(Some("x")), black_box((255, 1.0)));
    factorial(black_box(4));
    panics(black_box(1));
    let caught = std::panic::catch_unwind(|| panics(black_box(2)));
    black_box(caught.is_err());
    factorial(black_box(1));
}
