! Values of Fortran, what they look like, and calls and what they pass.
module formula
  use iso_c_binding
  implicit none
  type point
    integer :: x, y
    real(8) :: weights(2)
  end type
  integer(1) :: v_byte = -8
  integer(2) :: v_short = -1600
  integer :: v_int = -42
  integer(8) :: v_long = -9000000000_8
  real(4) :: v_real = 0.1
  real(8) :: v_double = 1.5d0
  logical :: v_true = .true., v_false = .false.
  logical(1) :: v_true_small = .true.
  complex(8) :: v_complex = (1.5d0, -2.5d0)
  character(len=5) :: v_text = 'abcde', v_padded = 'ab'
  character :: v_letter = 'x'
  integer :: v_array(3) = [1, 2, 3], v_from_zero(0:1) = [4, 5]
  integer :: v_matrix(2, 3) = reshape([1, 2, 3, 4, 5, 6], [2, 3])
  integer :: v_cube(2, 2, 2) = reshape([1, 2, 3, 4, 5, 6, 7, 8], [2, 2, 2])
  character(len=3) :: v_texts(2) = ['one', 'two']
  type(point) :: v_point = point(3, -4, [0.5d0, 1.5d0])
  type(point), pointer :: v_point_pointer
  integer, target :: v_target(6) = [1, 2, 3, 4, 5, 6]
  integer, allocatable :: v_allocated(:), v_table(:, :), v_unallocated(:)
  integer, pointer :: v_strided(:), v_backward(:)
  real(8), allocatable :: v_scalar
  abstract interface
    subroutine say_value(name, text) bind(c)
      import
      character(kind=c_char), intent(in) :: name(*), text(*)
    end subroutine
    subroutine say_part(number, part, text) bind(c)
      import
      integer(c_int), value :: number, part
      character(kind=c_char), intent(in) :: text(*)
    end subroutine
    subroutine set_target(target, number) bind(c)
      import
      type(c_funptr), value :: target
      integer(c_int), value :: number
    end subroutine
  end interface
  procedure(say_value), pointer :: tell
  procedure(say_part), pointer :: tell_part
  procedure(set_target), pointer :: set
  type(c_funptr) :: capture
contains
  subroutine show(name, text)
    character(len=*), intent(in) :: name, text
    call tell(name//c_null_char, text//c_null_char)
  end subroutine

  function number(value) result(text)
    integer(8), intent(in) :: value
    character(len=:), allocatable :: text
    character(len=32) :: buffer
    write (buffer, '(i0)') value
    text = trim(buffer)
  end function

  function list(values) result(text)
    integer, intent(in) :: values(:)
    character(len=:), allocatable :: text
    integer :: i
    text = '['
    do i = 1, size(values)
      if (i > 1) text = text//', '
      text = text//number(int(values(i), 8))
    end do
    text = text//']'
  end function

  function table(values) result(text)
    integer, intent(in) :: values(:, :)
    character(len=:), allocatable :: text
    integer :: i
    text = '['
    do i = 1, size(values, 1)
      if (i > 1) text = text//', '
      text = text//list(values(i, :))
    end do
    text = text//']'
  end function

  subroutine expect(say) bind(c, name='expect')
    type(c_funptr), value :: say
    call c_f_procpointer(say, tell)
    allocate (v_allocated(4), v_table(2, 3), v_point_pointer, v_scalar)
    v_allocated = [7, 8, 9, 10]
    v_table = v_matrix*10
    v_strided => v_target(1:6:2)
    v_backward => v_target(6:1:-1)
    v_scalar = 2.5d0
    call show('v_byte', number(int(v_byte, 8)))
    call show('v_short', number(int(v_short, 8)))
    call show('v_int', number(int(v_int, 8)))
    call show('v_long', number(v_long))
    call show('v_real', '0.1')
    call show('v_double', '1.5')
    call show('v_true', 'true')
    call show('v_false', 'false')
    call show('v_true_small', 'true')
    call show('v_complex', '{"real": 1.5, "imag": -2.5}')
    call show('v_text', '"'//v_text//'"')
    call show('v_padded', '"'//v_padded//'"')
    call show('v_letter', '"'//v_letter//'"')
    call show('v_array', list(v_array))
    call show('v_from_zero', list(v_from_zero))
    call show('v_matrix', table(v_matrix))
    call show('v_cube', '['//table(v_cube(1, :, :))//', '//table(v_cube(2, :, :))//']')
    call show('v_texts', '["'//v_texts(1)//'", "'//v_texts(2)//'"]')
    call show('v_point', '{"x": 3, "y": -4, "weights": [0.5, 1.5]}')
    call show('v_target', list(v_target))
    call show('v_allocated', list(v_allocated))
    call show('v_table', table(v_table))
    call show('v_strided', list(v_strided))
    call show('v_backward', list(v_backward))
    call show('v_unallocated', 'null')
  end subroutine

  subroutine f_0(a, b, c, d) bind(c)
    integer(c_int), intent(inout) :: a
    real(c_double), intent(in) :: b
    logical(c_bool), intent(in) :: c
    integer(c_long), value :: d
    a = a + int(b) + int(d)
    if (c) a = a + 1
  end subroutine

  function f_1(a, b) bind(c) result(back)
    integer(c_int), intent(in) :: a(3)
    real(c_float), value :: b
    real(c_double) :: back
    back = a(2) + b
  end function

  function f_2(a, b) bind(c) result(back)
    integer(c_int), intent(in) :: a(2, 3)
    type(c_ptr), value :: b
    integer(c_int) :: back
    back = a(2, 3)
    if (c_associated(b)) back = 0
  end function

  subroutine part(number, index, text)
    integer, intent(in) :: number, index
    character(len=*), intent(in) :: text
    call tell_part(int(number, c_int), int(index, c_int), text//c_null_char)
  end subroutine

  subroutine run_calls(capture_address, set_address, say) bind(c, name='run_calls')
    type(c_funptr), value :: capture_address, set_address, say
    procedure(f_0), pointer :: p_0
    procedure(f_1), pointer :: p_1
    procedure(f_2), pointer :: p_2
    integer(c_int), volatile :: answer
    real(c_double), volatile :: sum
    integer(c_int) :: value
    call c_f_procpointer(set_address, set)
    call c_f_procpointer(say, tell_part)
    call c_f_procpointer(capture_address, p_0)
    call c_f_procpointer(capture_address, p_1)
    call c_f_procpointer(capture_address, p_2)
    value = -7
    call part(0, 0, number(int(value, 8)))
    call part(0, 1, '2.5')
    call part(0, 2, 'true')
    call part(0, 3, '123456789012')
    call set(c_funloc(f_0), 0)
    call p_0(value, 2.5d0, .true._c_bool, 123456789012_c_long)
    call part(1, 0, list(v_array))
    call part(1, 1, '0.5')
    call part(1, 2, '2.5')
    call set(c_funloc(f_1), 1)
    sum = p_1(v_array, 0.5)
    call part(2, 0, table(v_matrix))
    call part(2, 1, '?')
    call part(2, 2, '6')
    call set(c_funloc(f_2), 2)
    answer = p_2(v_matrix, c_null_ptr)
  end subroutine
end module
