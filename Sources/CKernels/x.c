int fettle_x(void){return 0;}
