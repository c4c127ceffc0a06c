// Calls of Rust's own ABI, and what they pass.
#![crate_type = "cdylib"]
#![allow(improper_ctypes_definitions)]
use std::ffi::CString;
use std::hint::black_box;
use std::mem::transmute;
use std::os::raw::{c_char, c_int, c_void};

type Set = extern "C" fn(*const c_void, c_int);
type Say = extern "C" fn(c_int, c_int, *const c_char);

macro_rules! calls {
    ($($number:literal $f:ident($($name:ident: $type:ty = $value:expr => $text:expr),*) -> $result:ty = $returned:expr => $result_text:expr;)*) => {
        $(#[no_mangle]
        #[inline(never)]
        pub fn $f($($name: $type),*) -> $result {
            black_box(($($name,)*));
            $returned
        })*
        fn each(capture: *const c_void, set: Set, say: Say) {
            $({
                let target: fn($($type),*) -> $result = $f;
                let through: fn($($type),*) -> $result = unsafe { transmute(black_box(capture)) };
                let texts: Vec<String> = vec![$($text.to_string()),*];
                for (index, text) in texts.iter().enumerate() {
                    say($number, index as c_int, CString::new(text.as_str()).unwrap().as_ptr());
                }
                say($number, texts.len() as c_int, CString::new($result_text).unwrap().as_ptr());
                set(target as *const c_void, $number);
                black_box(through($($value),*));
            })*
        }
    };
}

pub struct Point {
    pub x: i64,
    pub y: i64,
    pub z: i64,
}

static SEVEN: i32 = 7;

calls! {
    0 f_0(a: i8 = -8 => "-8", b: u32 = 4000000000 => "4000000000", c: i64 = i64::MIN => i64::MIN, d: bool = true => "true", e: char = 'e' => "\"e\"") -> i64 = -77 => "-77";
    1 f_1(a: f64 = 1.5 => "1.5", b: i32 = 2 => "2", c: f32 = 0.1 => "0.1") -> f64 = 2.5 => "2.5";
    2 f_2(a: &str = "text" => "\"text\"", b: u8 = 3 => "3", c: &str = "more" => "\"more\"") -> &'static str = "back" => "\"back\"";
    3 f_3(a: u8 = 1 => "1", b: u8 = 2 => "2", c: u8 = 3 => "3", d: u8 = 4 => "4", e: u8 = 5 => "5", f: &str = "half on the stack" => "\"half on the stack\"", g: i16 = -6 => "-6") -> bool = false => "false";
    4 f_4(a: &i32 = &SEVEN => "7", b: &[u16] = &[1, 2] => "[1, 2]", c: Box<i32> = Box::new(8) => "8", d: *const i32 = std::ptr::null() => "null") -> &'static i32 = &SEVEN => "7";
    5 f_5(a: String = "owned".to_string() => "\"owned\"", b: Vec<i32> = vec![1, 2] => "[1, 2]", c: Point = Point { x: 1, y: 2, z: 3 } => "{\"x\": 1, \"y\": 2, \"z\": 3}") -> String = "result".to_string() => "\"result\"";
    6 f_6(a: f32 = 1.0 => "1.0", b: f32 = 2.0 => "2.0", c: f32 = 3.0 => "3.0", d: f32 = 4.0 => "4.0", e: f32 = 5.0 => "5.0", f: f32 = 6.0 => "6.0", g: f32 = 7.0 => "7.0", h: f32 = 8.0 => "8.0", i: f32 = 9.0 => "9.0", j: u64 = 10 => "10") -> char = 'r' => "\"r\"";
    7 f_7(a: u64 = 1 => "1") -> Point = Point { x: 4, y: 5, z: 6 } => "{\"x\": 4, \"y\": 5, \"z\": 6}";
    8 f_8(a: &mut i32 = &mut 9 => "9", b: &String = &"inside".to_string() => "\"inside\"", c: &Point = &Point { x: 7, y: 8, z: 9 } => "{\"x\": 7, \"y\": 8, \"z\": 9}") -> u8 = 200 => "200";
}

#[no_mangle]
pub extern "C" fn run_calls(capture: *const c_void, set: Set, say: Say) {
    each(capture, set, say);
}
