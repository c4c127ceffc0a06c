// Values of Rust, and what they look like.
#![crate_type = "cdylib"]
#![allow(dead_code, improper_ctypes_definitions)]
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet, VecDeque};
use std::ffi::CString;
use std::os::raw::c_char;
use std::rc::Rc;
use std::sync::Arc;

pub struct Point {
    x: i32,
    y: i32,
}

pub struct Meters(f64);

pub struct Unit;

pub enum Color {
    Red,
    Green = 5,
}

pub enum Shape {
    Empty,
    Circle(f64),
    Pair(u8, i64),
    Rect { w: u32, h: u32 },
}

pub union Either {
    i: u32,
    f: f32,
}

type Say = extern "C" fn(*const c_char, *const c_char);

// Each value is in a static, filled when asked.
macro_rules! values {
    ($($name:ident: $type:ty = $value:expr => $text:expr;)*) => {
        $(#[no_mangle] pub static mut $name: Option<Box<Holder<$type>>> = None;)*
        fn each(say: Say) {
            $(unsafe {
                $name = Some(Box::new(Holder { value: $value }));
                #[allow(static_mut_refs)]
                let holder = $name.as_ref().unwrap();
                let value = &holder.value;
                let text: fn(&$type) -> String = $text;
                let name = CString::new(stringify!($name)).unwrap();
                let expected = CString::new(format!("{{\"Some\": {{\"value\": {}}}}}", text(value))).unwrap();
                say(name.as_ptr(), expected.as_ptr());
            })*
        }
    };
}

pub struct Holder<T> {
    value: T,
}

static BACK: i32 = 77;

values! {
    V_I8: i8 = -8 => |v| format!("{}", v);
    V_U8: u8 = 200 => |v| format!("{}", v);
    V_I16: i16 = -1600 => |v| format!("{}", v);
    V_U16: u16 = 65535 => |v| format!("{}", v);
    V_I32: i32 = -42 => |v| format!("{}", v);
    V_U32: u32 = 4000000000 => |v| format!("{}", v);
    V_I64: i64 = i64::MIN => |v| format!("{}", v);
    V_U64: u64 = u64::MAX => |v| format!("{}", v);
    V_I128: i128 = -(1 << 100) => |v| format!("{}", v);
    V_U128: u128 = u128::MAX => |v| format!("{}", v);
    V_ISIZE: isize = -5 => |v| format!("{}", v);
    V_USIZE: usize = 5 => |v| format!("{}", v);
    V_TRUE: bool = true => |v| format!("{}", v);
    V_FALSE: bool = false => |v| format!("{}", v);
    V_CHAR: char = 'c' => |v| format!("\"{}\"", v);
    V_CHAR_WIDE: char = '\u{1f600}' => |v| format!("\"{}\"", v);
    V_F32: f32 = 0.1 => |v| format!("{}", v);
    V_F64: f64 = 1.0 / 3.0 => |v| format!("{}", v);
    V_F64_WHOLE: f64 = 8.0 => |v| format!("{:.1}", v);
    V_NAN: f64 = f64::NAN => |_| "\"nan\"".to_string();
    V_STR: &'static str = "hello \"str\"" => |v| format!("{:?}", v);
    V_STR_EMPTY: &'static str = "" => |v| format!("{:?}", v);
    V_STRING: String = "owned text".to_string() => |v| format!("{:?}", v);
    V_STRING_EMPTY: String = String::new() => |v| format!("{:?}", v);
    V_BOX_STR: Box<str> = "boxed text".into() => |v| format!("{:?}", v);
    V_SLICE: &'static [i32] = &[1, -2, 3] => |v| format!("{:?}", v);
    V_VEC: Vec<i32> = vec![4, 5, 6] => |v| format!("{:?}", v);
    V_VEC_EMPTY: Vec<i32> = vec![] => |v| format!("{:?}", v);
    V_VEC_STRING: Vec<String> = vec!["one".to_string(), "two".to_string()] => |v| format!("{:?}", v);
    V_VEC_VEC: Vec<Vec<u16>> = vec![vec![1], vec![], vec![2, 3]] => |v| format!("{:?}", v);
    V_ARRAY: [u64; 3] = [7, 8, 9] => |v| format!("{:?}", v);
    V_MATRIX: [[i16; 3]; 2] = [[1, 2, 3], [4, 5, 6]] => |v| format!("{:?}", v);
    V_TUPLE: (i32, bool, &'static str) = (1, true, "three") => |v| format!("[{}, {}, {:?}]", v.0, v.1, v.2);
    V_TUPLE_SORTED: (u8, u64, u16) = (1, 2, 3) => |v| format!("[{}, {}, {}]", v.0, v.1, v.2);
    V_POINT: Point = Point { x: 3, y: -4 } => |v| format!("{{\"x\": {}, \"y\": {}}}", v.x, v.y);
    V_POINTS: Vec<Point> = vec![Point { x: 1, y: 2 }] =>
        |v| format!("[{{\"x\": {}, \"y\": {}}}]", v[0].x, v[0].y);
    V_METERS: Meters = Meters(2.5) => |v| format!("{:?}", v.0);
    V_SOME: Option<i32> = Some(5) => |v| format!("{{\"Some\": {}}}", v.unwrap());
    V_NONE: Option<i32> = None => |v| format!("\"{:?}\"", v);
    V_SOME_REF: Option<&'static i32> = Some(&BACK) => |v| format!("{{\"Some\": {}}}", v.unwrap());
    V_NONE_REF: Option<&'static i32> = None => |v| format!("\"{:?}\"", v);
    V_SOME_STRING: Option<String> = Some("some".to_string()) =>
        |v| format!("{{\"Some\": {:?}}}", v.as_ref().unwrap());
    V_NONE_STRING: Option<String> = None => |v| format!("\"{:?}\"", v);
    V_NONE_BOOL: Option<bool> = None => |v| format!("\"{:?}\"", v);
    V_SOME_BOOL: Option<bool> = Some(false) => |v| format!("{{\"Some\": {}}}", v.unwrap());
    V_SOME_SOME: Option<Option<bool>> = Some(None) => |_| "{\"Some\": \"None\"}".to_string();
    V_NONE_WIDE: Option<u128> = None => |v| format!("\"{:?}\"", v);
    V_SOME_WIDE: Option<u128> = Some(1 << 90) => |v| format!("{{\"Some\": {}}}", v.unwrap());
    V_OK: Result<u8, String> = Ok(9) => |v| format!("{{\"Ok\": {}}}", v.as_ref().unwrap());
    V_ERR: Result<u8, String> = Err("bad".to_string()) =>
        |v| format!("{{\"Err\": {:?}}}", v.as_ref().unwrap_err());
    V_COLOR: Color = Color::Green => |_| "\"Green\"".to_string();
    V_COLOR_RED: Color = Color::Red => |_| "\"Red\"".to_string();
    V_EMPTY: Shape = Shape::Empty => |_| "\"Empty\"".to_string();
    V_CIRCLE: Shape = Shape::Circle(1.5) => |_| "{\"Circle\": 1.5}".to_string();
    V_PAIR: Shape = Shape::Pair(1, -2) => |_| "{\"Pair\": [1, -2]}".to_string();
    V_RECT: Shape = Shape::Rect { w: 3, h: 4 } => |_| "{\"Rect\": {\"w\": 3, \"h\": 4}}".to_string();
    V_ORDER_LESS: std::cmp::Ordering = std::cmp::Ordering::Less => |v| format!("\"{:?}\"", v);
    V_REFERENCE: &'static i32 = &BACK => |v| format!("{}", v);
    V_BOX: Box<i32> = Box::new(6) => |v| format!("{}", v);
    V_BOX_POINT: Box<Point> = Box::new(Point { x: 5, y: 6 }) =>
        |v| format!("{{\"x\": {}, \"y\": {}}}", v.x, v.y);
    V_BOX_SLICE: Box<[u16]> = vec![1, 2].into_boxed_slice() => |v| format!("{:?}", v);
    V_RC: Rc<i32> = Rc::new(61) => |v| format!("{}", v);
    V_RC_STRING: Rc<String> = Rc::new("counted".to_string()) => |v| format!("{:?}", v);
    V_ARC: Arc<u64> = Arc::new(62) => |v| format!("{}", v);
    V_CELL: Cell<i32> = Cell::new(63) => |v| format!("{}", v.get());
    V_REF_CELL: RefCell<String> = RefCell::new("cell".to_string()) => |v| format!("{:?}", v.borrow());
    V_DEQUE: VecDeque<i32> = { let mut d: VecDeque<i32> = (1..5).collect(); d.rotate_left(2); d.push_front(9); d } =>
        |v| format!("{:?}", v);
    V_MAP: HashMap<i32, String> = [(1, "one".to_string())].into_iter().collect() =>
        |v| format!("{{\"1\": {:?}}}", v[&1]);
    V_MAP_MANY: HashMap<u64, u64> = (0..40).map(|n| (n, n * n)).collect() =>
        |v| format!("{{{}}}", v.iter().map(|(k, v)| format!("\"{}\": {}", k, v)).collect::<Vec<_>>().join(", "));
    V_MAP_NAMES: HashMap<String, i32> = [("k".to_string(), 3)].into_iter().collect() =>
        |v| format!("{{\"k\": {}}}", v["k"]);
    V_MAP_EMPTY: HashMap<i32, i32> = HashMap::new() => |v| format!("{:?}", v);
    V_SET: HashSet<u16> = [7].into_iter().collect() => |v| format!("[{}]", v.iter().next().unwrap());
    V_POINTER_NULL: *const i32 = std::ptr::null() => |_| "null".to_string();
    V_POINTER: *const i32 = &BACK => |v| format!("\"{:p}\"", *v);
}

#[no_mangle]
pub extern "C" fn expect(say: Say) {
    each(say);
}

